//! `PATCH /v1/shows/{id}`: sell a show for another price, or move it: one decision, so all of it or nothing.

use super::Price;
use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey, IfMatch, PathId, Trace},
    form::{Fields, Form, Instant, Zone, given, given_object},
    problem::{Problem, problems},
    state::ApiState,
    v1::inventories::versions,
    view::ShowView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::{InventoryCommand, InventoryId, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "PATCH /v1/shows/{id}";

/// Changes a show; what is left out stays.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"starts_at": "2027-06-02T19:30:00Z"}))]
pub(crate) struct ChangeShow {
    /// Price of one seat for later bookings, in the currency it has. Bookings keep the price they were sold at.
    #[serde(default, deserialize_with = "given_object", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    price: Option<Price>,
    /// When it begins: in the future; null: not known any more.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    starts_at: Option<Option<Instant>>,
    /// IANA zone of the venue; null: not known any more.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    zone: Option<Option<Zone>>,
    /// When its sale ends: in the future, at the start or before it; null: at the start. Left out, a sale that ended at the
    /// start ends at the new start.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    sales_end_at: Option<Option<Instant>>,
}

impl Form for ChangeShow {
    fn fields(fields: &mut Fields<'_>) {
        fields.optional_form::<Price>("price");
        fields.optional::<Instant>("starts_at");
        fields.optional::<Zone>("zone");
        fields.optional::<Instant>("sales_end_at");
    }
}

problems! {
    /// Why it is not changed.
    ChangeShowProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound, ShowCancelled,
        VersionMismatch, PreconditionRequired, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Sell a show for another price, or move it: all that is asked, or nothing.
///
/// A show that has begun can be changed, too; one that is moved into the future is sold again. Its customers get a mail when
/// start or zone change. Sent again with its key, a change is answered with the show as it is then, which others may have
/// changed since.
#[utoipa::path(
    patch, path = "/v1/shows/{id}", tag = "shows", request_body = ChangeShow,
    params(("id" = uuid::Uuid, Path, description = "The show."),
        ("If-Match" = String, Header, description = "The `ETag` of what you have read; `*`: whatever it is."),
        ("Idempotency-Key" = Option<String>, Header, description = "Client-chosen key, to send the request again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The show as it is now.", body = ShowView), ChangeShowProblems)
)]
pub(crate) async fn change_show(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    PathId(id): PathId,
    key: Option<IdempotencyKey>,
    IfMatch(expected): IfMatch,
    trace: Trace,
    Body(request): Body<ChangeShow>,
) -> Result<Response, Problem> {
    let name = CommandName::of(&api, admin.into(), ROUTE, id, key.as_ref(), &request);
    let opened_at = super::opened_at(&api.pools.commands, InventoryId(id)).await?;
    let change = holdfast_domain::ChangeShow {
        price: request.price.map(|price| Money { amount: price.amount.0, currency: price.currency.0 }),
        starts_at: request.starts_at.map(|at| at.map(|at| at.0)),
        zone: request.zone.map(|zone| zone.map(|zone| zone.0)),
        sales_end_at: request.sales_end_at.map(|at| at.map(|at| at.0)),
        if_version: versions(expected),
    };
    let ask = name.ask(admin.into(), &trace, InventoryId(id), InventoryCommand::ChangeShow(change));
    Ok(api.writer.execute(ask, async |accepted| super::answer(accepted, opened_at)).await?)
}
