//! `POST /v1/shows/{id}/cancel`: call a show off. Its bookings are cancelled, and nothing of it is sold any more.

use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey, PathId, Trace},
    form::{Fields, Form, ReasonCode},
    problem::{Problem, problems},
    state::ApiState,
    view::ShowView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::{InventoryCommand, InventoryId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/shows/{id}/cancel";

/// Calls a show off.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "illness"}))]
pub(crate) struct CancelShow {
    /// Why, as a word: it stays in the log for ever, so nothing personal.
    #[schema(inline)]
    reason: ReasonCode,
}

impl Form for CancelShow {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<ReasonCode>("reason");
    }
}

problems! {
    /// Why it is not cancelled.
    CancelShowProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable,
        OutcomeUnknown,
}

/// Cancel a show, for ever: its bookings are cancelled with the reason `show_cancelled`, at once or, where they are
/// many, within moments. Cancelling it again changes nothing.
#[utoipa::path(
    post, path = "/v1/shows/{id}/cancel", tag = "shows", request_body = CancelShow,
    params(("id" = uuid::Uuid, Path, description = "The show."),
        ("Idempotency-Key" = Option<String>, Header, description = "Client-chosen key, to send the request again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The show as it is now.", body = ShowView), CancelShowProblems)
)]
pub(crate) async fn cancel_show(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    PathId(id): PathId,
    key: Option<IdempotencyKey>,
    trace: Trace,
    Body(request): Body<CancelShow>,
) -> Result<Response, Problem> {
    let name = CommandName::of(&api, admin.into(), ROUTE, id, key.as_ref(), &request);
    let opened_at = super::opened_at(&api.pools.commands, InventoryId(id)).await?;
    let cancel = holdfast_domain::CancelShow { reason: request.reason.0 };
    let ask = name.ask(admin.into(), &trace, InventoryId(id), InventoryCommand::CancelShow(cancel));
    Ok(api.writer.execute(ask, async |accepted| super::answer(accepted, opened_at)).await?)
}
