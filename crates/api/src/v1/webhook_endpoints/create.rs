//! `POST /v1/webhook-endpoints`: register a URL. Its secret is in this answer, told again for the same key until the first
//! rotation, and nowhere else.

use super::EndpointWithSecret;
use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey},
    form::{EventTypes, Fields, Form, Text},
    problem::{FieldError, Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Made,
};
use axum::extract::State;
use holdfast_notifier::{NewEndpoint, URL_CHARS_MAX, check_url, create};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/webhook-endpoints";

type Url = Text<1, URL_CHARS_MAX>;

/// Asks for webhooks.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://example.com/webhooks",
    "event_types": ["booking.confirmed.v1", "booking.cancelled.v1"]}))]
pub(crate) struct CreateWebhookEndpoint {
    /// Where they are sent to: https, and a public address. An international host name is kept in its ASCII form.
    #[schema(inline)]
    url: Url,
    /// Which events are sent.
    #[schema(inline)]
    event_types: EventTypes,
}

impl Form for CreateWebhookEndpoint {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Url>("url");
        fields.required::<EventTypes>("event_types");
    }
}

problems! {
    /// Why there is no endpoint.
    CreateEndpointProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden,
        TooManyWebhookEndpoints, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused,
        RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Register a webhook endpoint. It is owed every event of its types from now on. The secret is told here, and again for the
/// same key until the first rotation.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints", tag = "webhooks", request_body = CreateWebhookEndpoint,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it makes no second endpoint.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The endpoint and its secret.", body = EndpointWithSecret), CreateEndpointProblems)
)]
pub(crate) async fn create_endpoint(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    Body(request): Body<CreateWebhookEndpoint>,
) -> Result<Made<EndpointWithSecret>, Problem> {
    let url = check_url(&request.url.0, api.webhooks_allow_private).map_err(|wrong| {
        Problem::invalid(vec![FieldError { pointer: "/url".to_owned(), detail: wrong.to_string() }])
    })?;
    let name = CommandName::keyed(admin.into(), ROUTE, Uuid::nil(), &key, &request);
    let new = NewEndpoint { endpoint_id: name.command_id, url, event_types: request.event_types.0 };
    let made = create(&api.pool, &api.webhook_key, &new, api.ambient.now());
    let (endpoint, secret, replayed) = bounded_write(made).await?;
    let at = format!("/v1/webhook-endpoints/{}", endpoint.endpoint_id);
    Ok(Made { at, replayed, body: EndpointWithSecret::of(endpoint, &secret) })
}
