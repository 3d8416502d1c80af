//! A webhook's body: made from the log, so it is the same bytes on every retry and every replay.
//!
//! Shape: a booking is shown as it was after the event, from two look-ups by key for a whole batch (`background`): the event,
//! and the reservation that made the booking (whose command has the booking's id). What happened in between left its trace in
//! the event itself.
//! Typed structs, not JSON values: the order of fields is theirs. Nothing personal is in it: who booked is an id.

use crate::{
    background::{Absent, Background},
    kind::PING,
};
use holdfast_domain::{
    BookingId, BookingStatus, CapacityChanged, FlightCancelled, FlightRescheduled, InventoryEvent,
    InventoryId, InventoryOpened, Money, PriceChanged, SalesState, Schedule, SeatsBlocked, SeatsReserved,
    SeatsUnblocked, ShowCancelled, ShowRescheduled, ShowSchedule, Timestamp, UserId,
};
use holdfast_event_log::{LogPosition, Recorded};
use serde::Serialize;
use uuid::Uuid;

/// The version of the body's outer shape; the `type` carries the version of its `data`.
pub const API_VERSION: &str = "1";

/// An event that is owed to somebody.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    /// The event's id: the webhook's id, too.
    pub(crate) event_id: Uuid,
    /// What it is called.
    pub(crate) event_type: String,
    /// Where it stands; none: it is a ping.
    pub(crate) at: Option<LogPosition>,
    /// When it happened.
    pub(crate) recorded_at: Timestamp,
    /// To whom.
    pub(crate) endpoint_id: Uuid,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// The event, or the one that made its booking, is not understood by this build.
    #[error("the event cannot be understood: {0}")]
    Unreadable(String),
    /// The log does not have it.
    #[error("the event, or the reservation behind it, is not in the log")]
    Missing,
    /// It has no JSON.
    #[error("the body could not be written")]
    Json(#[from] serde_json::Error),
}

impl From<Absent<'_>> for RenderError {
    fn from(absent: Absent<'_>) -> Self {
        match absent {
            Absent::Missing => Self::Missing,
            Absent::Unreadable(error) => Self::Unreadable(error.to_string()),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    id: Uuid,
    r#type: &'a str,
    api_version: &'static str,
    created_at: Timestamp,
    livemode: bool,
    /// Orders the events of one booking and one inventory, whatever order they arrive in.
    sequence: Option<i64>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    object: Object<'a>,
    /// What the event changed, as it was before; null: it made the object.
    previous_attributes: Option<Previous<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Object<'a> {
    Booking(BookingObject<'a>),
    Inventory(InventoryObject<'a>),
    Ping { endpoint_id: Uuid },
}

/// A booking as it was after the event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct BookingObject<'a> {
    pub(crate) id: BookingId,
    pub(crate) inventory_id: InventoryId,
    pub(crate) user_id: UserId,
    pub(crate) quantity: u32,
    pub(crate) total: Money,
    pub(crate) status: BookingStatus,
    pub(crate) reserved_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
}

#[derive(Serialize)]
struct InventoryObject<'a> {
    id: InventoryId,
    #[serde(flatten)]
    now: InventoryNow<'a>,
}

/// What the event says of its inventory.
#[derive(Serialize)]
#[serde(untagged)]
enum InventoryNow<'a> {
    Opened(&'a InventoryOpened),
    Capacity { capacity: u32, oversold_by: u32 },
    Sales { sales: SalesState },
    Blocked(&'a SeatsBlocked),
    Unblocked(&'a SeatsUnblocked),
    Priced { price: Money },
    Rescheduled(FlightNow<'a>),
    ShowRescheduled(&'a ShowSchedule),
    Cancelled { sales: SalesState, reason: &'a str },
}

/// A flight after it moved.
#[derive(Serialize)]
struct FlightNow<'a> {
    #[serde(flatten)]
    schedule: &'a Schedule,
    departure_zone: &'a str,
    arrival_zone: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Previous<'a> {
    Status { status: BookingStatus },
    Capacity { capacity: u32 },
    Sales { sales: SalesState },
    Price { price: Money },
    Schedule(&'a Schedule),
    ShowSchedule(&'a ShowSchedule),
}

/// The body of what is owed, from what was read for its batch.
pub(crate) fn render(background: &Background, owed: &Owed) -> Result<Vec<u8>, RenderError> {
    let Some(at) = owed.at else {
        let object = Object::Ping { endpoint_id: owed.endpoint_id };
        return write(owed, None, Data { object, previous_attributes: None });
    };
    let event = background.event(at)?;
    let made = event.event.booking_id().map(|_| background.reservation(event, None)).transpose()?;
    let data = data(event, made).ok_or(RenderError::Missing)?;
    write(owed, Some(event.sequence), data)
}

fn write(owed: &Owed, sequence: Option<i64>, data: Data<'_>) -> Result<Vec<u8>, RenderError> {
    debug_assert!(sequence.is_some() || owed.event_type == PING, "only a ping is not in the log");
    let body = Body {
        id: owed.event_id,
        r#type: &owed.event_type,
        api_version: API_VERSION,
        created_at: owed.recorded_at,
        livemode: true,
        sequence,
        data,
    };
    Ok(serde_json::to_vec(&body)?)
}

/// A booking after one of its events; none if `made` did not make it.
pub(crate) fn booking<'a>(
    event: &'a Recorded,
    made: &Recorded,
) -> Option<(BookingObject<'a>, Option<BookingStatus>)> {
    let InventoryEvent::SeatsReserved(reserved) = &made.event else { return None };
    let SeatsReserved { booking_id, user_id, quantity, total, expires_at } = reserved;
    let (status, before, reason) = match &event.event {
        InventoryEvent::SeatsReserved(e) => (e.status(), None, None),
        InventoryEvent::BookingConfirmed(_) => (BookingStatus::Confirmed, Some(BookingStatus::Held), None),
        InventoryEvent::BookingCancelled(e) => {
            (BookingStatus::Cancelled, Some(e.previous_status), Some(e.reason.as_str()))
        }
        InventoryEvent::BookingExpired(_) => (BookingStatus::Expired, Some(BookingStatus::Held), None),
        InventoryEvent::InventoryOpened(_)
        | InventoryEvent::CapacityChanged(_)
        | InventoryEvent::SalesClosed(_)
        | InventoryEvent::SalesReopened(_)
        | InventoryEvent::SeatsBlocked(_)
        | InventoryEvent::SeatsUnblocked(_)
        | InventoryEvent::PriceChanged(_)
        | InventoryEvent::FlightRescheduled(_)
        | InventoryEvent::FlightCancelled(_)
        | InventoryEvent::ShowRescheduled(_)
        | InventoryEvent::ShowCancelled(_) => return None,
    };
    let object = BookingObject {
        id: *booking_id,
        inventory_id: made.inventory_id,
        user_id: *user_id,
        quantity: *quantity,
        total: *total,
        status,
        reserved_at: made.recorded_at,
        expires_at: *expires_at,
        reason,
    };
    Some((object, before))
}

fn data<'a>(event: &'a Recorded, made: Option<&Recorded>) -> Option<Data<'a>> {
    let inventory = |now, previous_attributes| {
        let object = Object::Inventory(InventoryObject { id: event.inventory_id, now });
        Some(Data { object, previous_attributes })
    };
    match &event.event {
        InventoryEvent::SeatsReserved(_)
        | InventoryEvent::BookingConfirmed(_)
        | InventoryEvent::BookingCancelled(_)
        | InventoryEvent::BookingExpired(_) => {
            let (object, before) = booking(event, made?)?;
            let previous_attributes = before.map(|status| Previous::Status { status });
            Some(Data { object: Object::Booking(object), previous_attributes })
        }
        InventoryEvent::InventoryOpened(e) => inventory(InventoryNow::Opened(e), None),
        InventoryEvent::CapacityChanged(CapacityChanged { old, new, oversold_by }) => inventory(
            InventoryNow::Capacity { capacity: *new, oversold_by: *oversold_by },
            Some(Previous::Capacity { capacity: *old }),
        ),
        InventoryEvent::SalesClosed(_) => inventory(
            InventoryNow::Sales { sales: SalesState::Closed },
            Some(Previous::Sales { sales: SalesState::Open }),
        ),
        InventoryEvent::SalesReopened(_) => inventory(
            InventoryNow::Sales { sales: SalesState::Open },
            Some(Previous::Sales { sales: SalesState::Closed }),
        ),
        InventoryEvent::SeatsBlocked(e) => inventory(InventoryNow::Blocked(e), None),
        InventoryEvent::SeatsUnblocked(e) => inventory(InventoryNow::Unblocked(e), None),
        InventoryEvent::PriceChanged(PriceChanged { old, new }) => {
            inventory(InventoryNow::Priced { price: *new }, Some(Previous::Price { price: *old }))
        }
        InventoryEvent::FlightRescheduled(FlightRescheduled { old, new, departure_zone, arrival_zone }) => {
            let now = FlightNow { schedule: new, departure_zone, arrival_zone };
            inventory(InventoryNow::Rescheduled(now), Some(Previous::Schedule(old)))
        }
        InventoryEvent::ShowRescheduled(ShowRescheduled { old, new }) => {
            inventory(InventoryNow::ShowRescheduled(new), Some(Previous::ShowSchedule(old)))
        }
        // What sales were before is not in the event, and nothing can bring it back.
        InventoryEvent::FlightCancelled(FlightCancelled { reason })
        | InventoryEvent::ShowCancelled(ShowCancelled { reason }) => {
            inventory(InventoryNow::Cancelled { sales: SalesState::Cancelled, reason }, None)
        }
    }
}
