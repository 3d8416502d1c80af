//! The OpenAPI document and the page to browse it, with all assets inside the executable.

mod limits;
mod rules;
mod scopes;

use crate::{
    limits::RateLimits, problem::ProblemSchema, routes::Declared, state::ApiState, view::StatusSchema,
};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderValue, header},
    middleware::map_response,
    response::{Redirect, Response},
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";
/// Where the page is.
pub(crate) const PAGE: &str = "/docs";
/// What the page may load: our own assets, and the styles and images written into them.
const PAGE_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The head of the document; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "A seat is sold once, an answered booking is never lost, and every screen can be rebuilt \
            from the log.\n\nErrors are `application/problem+json` (RFC 9457) with a stable `code`. \
            An accepted command answers with a `Consistency-Token`; a query that carries it includes the command, \
            or says that it is stale. Times are UTC, money is minor units of an ISO 4217 currency. \
            `OPTIONS` is answered to preflights of allowed origins (CORS, off unless configured), else 405.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This server.")),
    components(schemas(ProblemSchema, StatusSchema)),
    modifiers(&Security),
    tags(
        (name = "users", description = "Sign up, sign in and out, who am I; and, for admins, who may do what.\n\n\
            A token lives for an hour. Signing out ends it, another password ends all of the account: at once where it is asked, \
            within 5 seconds on every other server. After ten wrong passwords of an account, tries are slowed (429 \
            `rate_limited`, `Retry-After` of at most a minute); right ones never are."),
        (name = "api-keys", description = "Keys that programs act by for an account, in `Authorization: Bearer`, as a token.\n\n\
            A key does what its scopes say, and never more than its owner's role allows then. Each operation names its scope in \
            `x-api-key-scope`; without it, it is 403 `scope_missing`. Where it is `none`, a person signs in: 403 `sign_in_required`. \
            Another password ends no key. A deleted key, a changed role and a deleted account count within 5 seconds on every server. \
            A key has quotas of its own, as large as an account's. Airbourne's routes take no keys."),
        (name = "shows", description = "What is sold, until it begins. A show's `ETag` names price and times, not the seats: a change needs it in \
            `If-Match` (428 without, 412 if another change was faster), and is done whole or not at all."),
        (name = "flights", description = "What is sold, until it leaves. A flight has the number it is known by once on a day, by the clocks of its \
            departure airport. Its `ETag` names price and schedule, not the seats: a change needs it in `If-Match` (428 without, 412 if \
            somebody was faster), and is done whole or not at all."),
        (name = "inventories", description = "The seats of a show or flight and, for agents and admins, its bookings."),
        (name = "bookings", description = "Who has them."),
        (name = "guests", description = "Customers without an account, for whom agents book. E-mail and name are kept outside the log until an \
            agent deletes the guest; bookings name the guest by its id."),
        (name = "catalogue", description = "Cities, airports and airplanes: what flights are made of. Anybody reads, admins write.\n\n\
            An answer's `ETag` is the thing's version. A change needs it in `If-Match` (428 without, 412 if somebody was faster), a \
            deletion may carry it. What something depends on is not deleted: 409 `in_use`."),
        (name = "webhooks", description = "Who is told what happens, by webhook. For admins.\n\n\
            A webhook is a POST of `{id, type, api_version, created_at, livemode, sequence, data: {object, \
            previous_attributes}}`. `id` is the event's, the same on every retry and replay: drop what you have had. \
            `sequence` orders the events of a booking, and of an inventory, whatever order they arrive in. `object` is \
            what it was after the event, `previous_attributes` what the event changed; null: it made the object.\n\n\
            Headers (Standard Webhooks): `Webhook-Id`, `Webhook-Timestamp` (seconds), `Webhook-Signature`: `v1,` and the \
            base64 of HMAC-SHA256 of `id.timestamp.body` with the secret's bytes (base64 after `whsec_`); one more, separated by \
            a blank, for 24 hours after each rotation. Refuse timestamps that are more than 300 s off.\n\n\
            Answer 2xx within 10 s. Redirects are not followed; 410 disables the endpoint, and what it was \
            asked for waits until it is enabled; everything else is tried again \
            after 5 s, 30 s, 1 m, 5 m, 20 m, 1 h, 4 h, 6 h, 12 h, 24 h and 24 h, or later where `Retry-After` asks for it. \
            At least once, at most five at a time. An endpoint that has not answered 2xx for three days is paused."),
        (name = "reminders", description = "E-mails at a time that was asked for; and, for admins, e-mails that failed.\n\n\
            A customer is reminded at its account's address; an agent or admin may name another. A mail that failed for a while is \
            tried again for about three days. At least once, with the same `Message-ID`."),
        (name = "operator", description = "Whether this server is well. More is on an address of its own (`--ops-listen`)."),
        (name = "airbourne", description = "Airbourne's contract over the same commands, for its clients and load scripts; on only \
            where it was asked for. Every route is also reached through its gateway's prefixes: `/auth`, `/flights`, \
            `/bookingservice`, `/reminder`."),
        (name = "booking_monitor", description = "booking_monitor's contract over the same commands, for its clients and \
            load scripts; on only where it was asked for, and without a token. Differs from the original in that an answered \
            booking is durable, a page of the history has at most 200 orders, and errors carry no internals."),
    ),
)]
struct Head;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let header = ApiKey::Header(ApiKeyValue::new("x-access-token"));
        components.add_security_scheme("x_access_token", SecurityScheme::ApiKey(header));
    }
}

/// The document without routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The routes of the document and its page.
pub(crate) fn routes(
    mut document: utoipa::openapi::OpenApi,
    declared: &[Declared],
    rate_limits: &RateLimits,
) -> Router<ApiState> {
    rules::complete(&mut document);
    scopes::complete(&mut document, declared);
    limits::complete(&mut document, declared, rate_limits);
    let json = Bytes::from(document.to_json().unwrap_or_default());
    let document = get(async move || ([(header::CONTENT_TYPE, "application/json")], json.clone()));
    let page = Router::from(SwaggerUi::new(PAGE).config(Config::from(DOCUMENT).validator_url("none")));
    // A browser begins with the address that the ready line prints.
    let start = get(async || Redirect::temporary(PAGE));
    page.layer(map_response(guarded)).route(DOCUMENT, document).route("/", start)
}

async fn guarded(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(PAGE_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
