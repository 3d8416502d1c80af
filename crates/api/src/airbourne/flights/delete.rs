//! `DELETE /api/v1/flights/{id}`: the flight is cancelled, and its bookings with it. Nothing is thrown away: the original left
//! bookings behind that led nowhere.

use super::find;
use crate::{
    airbourne::{
        refusal::Refusal,
        says::Says,
        writer::{CatalogueWriter, Writer},
    },
    command::CommandName,
    extract::Trace,
    flights,
    state::{Api, ApiState},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

const SAYS: Says = super::says(StatusCode::OK, "Successfully deleted a flight", "couldnt delete a flight");
/// Why its bookings end, for the log.
const REASON: &str = "flight_deleted";

/// Cancel a flight.
#[utoipa::path(
    delete, path = "/api/v1/flights/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The flight.")),
    responses((status = 200, description = "It is not there (any more)."),
        (status = "4XX", description = "403: it takes an admin's token."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn delete_flight(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
    trace: Trace,
) -> Response {
    let deleted = async { cancel(&api, may?, &trace, &id).await };
    SAYS.answer(deleted.await)
}

async fn cancel(api: &Api, writer: Writer, trace: &Trace, id: &str) -> Result<bool, Refusal> {
    let Some(flight) = find(api, id).await? else { return Ok(true) };
    writer.may_change_flight(api, flight.inventory_id).await?;
    let name = CommandName::once(api.ambient.new_id());
    let (id, reason) = (flight.inventory_id, REASON.to_owned());
    Ok(flights::cancel(api, writer.actor, trace, name, id, reason, async |_| Ok(true)).await?)
}
