//! What is written about an event to the account that made the booking.

use crate::{
    body::booking,
    letter::{Letter, name_of},
    show_letter,
};
use holdfast_domain::{
    BookingStatus, FLIGHT_CANCELLED, InventoryEvent, SHOW_CANCELLED, Schedule, Timestamp, UserId, local_time,
};
use holdfast_event_log::Recorded;

/// The letter, and the user it is for; none: the event is about no booking that is written about.
pub(crate) fn letter(event: &Recorded, made: &Recorded, opened: &Recorded) -> Option<(UserId, Letter)> {
    let (InventoryEvent::SeatsReserved(seats), InventoryEvent::InventoryOpened(inventory)) =
        (&made.event, &opened.event)
    else {
        return None;
    };
    let name = name_of(&inventory.subject);
    let mut facts = vec![
        ("Booking", seats.booking_id.to_string()),
        ("Seats", seats.quantity.to_string()),
        ("Booked", made.recorded_at.format("%Y-%m-%d %H:%M UTC").to_string()),
    ];
    let (subject, text) = match &event.event {
        InventoryEvent::FlightRescheduled(moved) => {
            let zones = (moved.departure_zone.as_str(), moved.arrival_zone.as_str());
            facts.extend(times(&moved.new, zones));
            let before = shown(moved.old.departs_at, zones.0);
            (
                "Your flight has moved",
                format!("Your {name}, which was to leave on {before}, has new times or another gate."),
            )
        }
        InventoryEvent::ShowRescheduled(moved) => {
            facts.extend(show_letter::facts(&moved.new));
            ("Your show has moved", show_letter::moved(&name, moved))
        }
        _ => {
            let (booking, _) = booking(event, made)?;
            match (booking.status, booking.reason) {
                (BookingStatus::Held, _) => return None,
                (BookingStatus::Confirmed, _) => {
                    ("Your booking is confirmed", format!("Your booking for {name} is confirmed."))
                }
                (BookingStatus::Cancelled, Some(SHOW_CANCELLED)) => (
                    "Your show is cancelled",
                    format!("{name} does not take place, and your booking ended with it."),
                ),
                (BookingStatus::Cancelled, Some(FLIGHT_CANCELLED)) => (
                    "Your flight is cancelled",
                    format!("Your {name} does not take place, and your booking ended with it."),
                ),
                (BookingStatus::Cancelled, _) => {
                    ("Your booking is cancelled", format!("Your booking for {name} is cancelled."))
                }
                (BookingStatus::Expired, _) => (
                    "Your booking has expired",
                    format!(
                        "Your booking for {name} was not confirmed in time, and its seats are free again."
                    ),
                ),
            }
        }
    };
    Some((seats.user_id, Letter { subject: subject.to_owned(), paragraphs: vec![text], facts }))
}

fn times(to: &Schedule, (departure_zone, arrival_zone): (&str, &str)) -> Vec<(&'static str, String)> {
    let mut times = vec![
        ("Departure", shown(to.departs_at, departure_zone)),
        ("Arrival", shown(to.arrives_at, arrival_zone)),
    ];
    times.extend(to.gate.iter().map(|gate| ("Gate", gate.clone())));
    times
}

/// An instant as the clocks of its place show it.
pub(crate) fn shown(at: Timestamp, zone: &str) -> String {
    match local_time(at, zone) {
        Some(local) => format!("{} ({zone})", local.format("%Y-%m-%d %H:%M %:z")),
        None => at.format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}
