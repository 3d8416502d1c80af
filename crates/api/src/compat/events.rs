//! `POST /api/v1/events`: put an event's tickets on sale.

use super::{
    SYSTEM,
    answer::{Answer, Errors},
    request::Lenient,
};
use crate::{
    command::{Actor, CommandName},
    extract::Trace,
    problem::StoreError,
    state::{Api, ApiState},
    store::bounded,
};
use axum::{extract::State, http::StatusCode, response::Response};
use holdfast_domain::{
    Currency, InventoryCommand, InventoryId, Money, OpenInventory, Policy, Refused, Subject, UserId,
};
use holdfast_writer::ExecuteError;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

/// An event of booking_monitor's: one live booking per user, 1 to 10 seats, confirmed at once.
const POLICY: Policy = Policy {
    seats_per_booking: 10,
    live_bookings_per_user: 1,
    hold_seconds: 0,
    overbooking_allowance: 0,
    seats_per_user: 0,
    holds_per_user: 0,
};
/// Its events have no price; a currency must be named all the same.
const CURRENCY: &str = "USD";

/// Asks for a sale.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BookingMonitorCreateEvent, example = json!({"name": "K6 Load Test Event", "total_tickets": 50000}))]
pub(crate) struct CreateEvent {
    /// What it is called.
    #[schema(required = true, nullable = false)]
    name: Option<String>,
    /// Number of tickets.
    #[schema(required = true, nullable = false, minimum = 1)]
    total_tickets: Option<i64>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingMonitorEvent)]
struct Event {
    id: i64,
    name: String,
    total_tickets: u32,
    available_tickets: u32,
    version: u32,
}

impl CreateEvent {
    fn checked(self) -> Result<(String, u32), Answer> {
        let refuse = |text| Answer::error(StatusCode::BAD_REQUEST, text);
        let name = self.name.filter(|name| !name.is_empty()).ok_or_else(|| refuse("name is required"))?;
        let tickets = super::request::required("total_tickets", self.total_tickets)?;
        let tickets = u32::try_from(tickets).map_err(|_| refuse("total_tickets is out of range"))?;
        Ok((name, tickets))
    }
}

/// Put an event's tickets on sale.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "booking_monitor", request_body = CreateEvent,
    responses((status = 201, description = "The event.", body = Event), Errors)
)]
pub(crate) async fn create_event(State(api): State<ApiState>, request: Lenient<CreateEvent>) -> Response {
    let Lenient { body, trace, correlation_id } = request;
    let answer = match body.and_then(CreateEvent::checked) {
        Ok((name, tickets)) => open(&api, &trace, name, tickets).await.unwrap_or_else(|refused| refused),
        Err(refused) => refused,
    };
    answer.to(correlation_id)
}

async fn open(api: &Api, trace: &Trace, name: String, tickets: u32) -> Result<Answer, Answer> {
    let number = next_number(&api.pools.commands).await.map_err(|error| {
        warn!(error = &error as &dyn std::error::Error, "no number for an event");
        Answer::unavailable()
    })?;
    let inventory_id = InventoryId::from_number(number).ok_or_else(Answer::unavailable)?;
    let currency = Currency::from_code(CURRENCY).ok_or_else(Answer::unavailable)?;
    let subject = Subject::Show { name: name.clone(), starts_at: None, zone: None, sales_end_at: None };
    let open = OpenInventory {
        subject,
        capacity: tickets,
        price: Money { amount: 0, currency },
        policy: POLICY,
        accept_departed: false,
    };
    let actor = Actor { kind: SYSTEM, user_id: UserId(Uuid::nil()) };
    let ask = CommandName::once(api.ambient.new_id());
    let ask = ask.ask(actor, trace, inventory_id, InventoryCommand::OpenInventory(open));
    api.writer.execute(ask, async |_| Ok(())).await.map_err(|error| match error {
        ExecuteError::Refused(Refused::Invalid(field)) => {
            let name = if field.pointer == "/capacity" { "total_tickets" } else { "name" };
            Answer::error(StatusCode::BAD_REQUEST, &format!("{name} {}", field.detail))
        }
        error => error.into(),
    })?;
    let event = Event { id: number, name, total_tickets: tickets, available_tickets: tickets, version: 0 };
    Ok(Answer::json(StatusCode::CREATED, &event))
}

/// A number that no inventory has had. This module owns the sequence.
pub(crate) async fn next_number(pool: &PgPool) -> Result<i64, StoreError> {
    bounded(sqlx::query_scalar("SELECT nextval('inventory_numbers')").fetch_one(pool)).await
}
