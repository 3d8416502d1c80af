//! What a log must never contain: the rules that hold after every event, checked on a log that exists.
//!
//! Independent of `decide`: it looks at what happened and says whether that may have happened.
//! The numbers are those of ARCHITECTURE.md: I1 seats, I3 holds end once, I4 no late confirmation,
//! I5 one command, one effect, I9 what is cancelled sells nothing, I10 a show that has begun sells nothing.

use crate::{
    BookingId, BookingStatus, Inventory, InventoryEvent, SalesState, Subject, SubjectKind, Timestamp,
};

/// An event that must not have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// I1: more seats are taken than there are.
    #[error("I1: {taken} seats are taken of {authorized}")]
    Oversold {
        /// Held, confirmed and blocked.
        taken: u64,
        /// Capacity and allowance.
        authorized: u64,
    },
    /// I1: a change of capacity does not say truly by how much it oversells.
    #[error("I1: the capacity change says oversold_by {said}, it is {found}")]
    OversoldBy {
        /// What the event says.
        said: u32,
        /// What it is.
        found: u32,
    },
    /// I3: a booking ended or was confirmed although it was not in a state to.
    #[error("I3: booking {booking_id} was {status:?} when {event} came")]
    State {
        /// Which booking.
        booking_id: BookingId,
        /// What it was.
        status: BookingStatus,
        /// What came.
        event: &'static str,
    },
    /// I4: a hold was confirmed or cancelled after its end, or expired before it.
    #[error("I4: booking {booking_id} ends its hold at {expires_at}; {event} came at {at}")]
    Time {
        /// Which booking.
        booking_id: BookingId,
        /// When the hold ends.
        expires_at: Timestamp,
        /// What came.
        event: &'static str,
        /// When it came.
        at: Timestamp,
    },
    /// I5: a booking was made twice, or an inventory opened twice.
    #[error("I5: {event} came twice")]
    Twice {
        /// What came.
        event: &'static str,
    },
    /// I10: a seat of a show was sold after the end of its sale, or confirmed after its start. Flights are left out: the routes
    /// that Airbourne's clients use sell what has departed.
    #[error("I10: {event} came at {at}, after {ended_at}")]
    AfterSale {
        /// What came.
        event: &'static str,
        /// When the sale ended, or the show began.
        ended_at: Timestamp,
        /// When the event came.
        at: Timestamp,
    },
    /// I9: something else than the end of a booking came after the flight or show was cancelled.
    #[error("I9: {event} came after the cancellation")]
    AfterCancellation {
        /// What came.
        event: &'static str,
    },
    /// An event names a booking or an inventory that was never made, another number of seats, another price
    /// or another schedule.
    #[error("{event} does not fit what was there")]
    Misfit {
        /// What came.
        event: &'static str,
    },
}

impl Inventory {
    /// Applies an event of a log and says whether it may have happened.
    ///
    /// # Errors
    /// The rule it breaks. The event is applied all the same, so that later ones can be judged.
    pub fn audit(&mut self, event: &InventoryEvent, at: Timestamp) -> Result<(), Violation> {
        let before = self.fits(event, at);
        let taken_before = self.counts().taken();
        self.apply(event);
        before?;
        let counts = self.counts();
        if let InventoryEvent::CapacityChanged(e) = event {
            let found = counts.oversold_by();
            return if e.oversold_by == found {
                Ok(())
            } else {
                Err(Violation::OversoldBy { said: e.oversold_by, found })
            };
        }
        // After a capacity was lowered below what is taken, the number may only fall.
        if counts.taken() > counts.authorized() && counts.taken() > taken_before {
            return Err(Violation::Oversold { taken: counts.taken(), authorized: counts.authorized() });
        }
        Ok(())
    }

    fn fits(&self, event: &InventoryEvent, at: Timestamp) -> Result<(), Violation> {
        let name = event.type_name();
        let misfit = || Violation::Misfit { event: name };
        let twice = || Violation::Twice { event: name };
        let fits = |fits: bool| if fits { Ok(()) } else { Err(misfit()) };
        let Some(terms) = self.terms() else {
            return fits(matches!(event, InventoryEvent::InventoryOpened(_)));
        };
        if self.counts().sales == SalesState::Cancelled {
            match event {
                InventoryEvent::BookingCancelled(_) | InventoryEvent::BookingExpired(_) => {}
                InventoryEvent::FlightCancelled(_) | InventoryEvent::ShowCancelled(_) => return Err(twice()),
                _ => return Err(Violation::AfterCancellation { event: name }),
            }
        }
        match event {
            InventoryEvent::InventoryOpened(_) => Err(twice()),
            InventoryEvent::SeatsReserved(e) => match self.booking(e.booking_id) {
                Some(_) => Err(twice()),
                None => {
                    in_sale(&terms.subject, Subject::sales_end_at, name, at)?;
                    fits(
                        e.expires_at.is_none_or(|ends| at < ends)
                            && e.quantity > 0
                            && terms.price.times(e.quantity) == Ok(e.total),
                    )
                }
            },
            InventoryEvent::BookingConfirmed(e) => {
                self.was(e.booking_id, &[BookingStatus::Held], e.quantity, name)?;
                in_sale(&terms.subject, Subject::begins_at, name, at)?;
                self.on_time(e.booking_id, name, at, |expires_at| at < expires_at)
            }
            InventoryEvent::BookingCancelled(e) => {
                self.was(e.booking_id, &[BookingStatus::Held, BookingStatus::Confirmed], e.released, name)?;
                if self.booking(e.booking_id).map(|b| b.status) != Some(e.previous_status) {
                    return Err(misfit());
                }
                let held = e.previous_status == BookingStatus::Held;
                self.on_time(e.booking_id, name, at, |expires_at| !held || at < expires_at)
            }
            InventoryEvent::BookingExpired(e) => {
                self.was(e.booking_id, &[BookingStatus::Held], e.released, name)?;
                self.on_time(e.booking_id, name, at, |expires_at| expires_at <= at)
            }
            InventoryEvent::CapacityChanged(e) => fits(e.old == self.counts().capacity),
            InventoryEvent::SeatsUnblocked(e) => fits(e.quantity <= self.counts().blocked),
            InventoryEvent::PriceChanged(e) => {
                fits(e.old == terms.price && e.new.currency == terms.price.currency)
            }
            InventoryEvent::FlightRescheduled(e) => fits(terms.subject.flight().is_some_and(|flight| {
                flight.schedule() == e.old
                    && e.new.departs_at < e.new.arrives_at
                    && (&flight.departure_zone, &flight.arrival_zone) == (&e.departure_zone, &e.arrival_zone)
            })),
            InventoryEvent::ShowRescheduled(e) => {
                // As with an opening, the end of the sale is written wherever there is a start, and is not after it.
                let ends_in_time =
                    e.new.starts_at.is_none_or(|start| e.new.sales_end_at.is_some_and(|end| end <= start));
                fits(terms.subject.show_schedule().as_ref() == Some(&e.old) && ends_in_time)
            }
            InventoryEvent::FlightCancelled(_) => fits(terms.subject.kind() == SubjectKind::Flight),
            InventoryEvent::ShowCancelled(_) => fits(terms.subject.kind() == SubjectKind::Show),
            InventoryEvent::SalesClosed(_)
            | InventoryEvent::SalesReopened(_)
            | InventoryEvent::SeatsBlocked(_) => Ok(()),
        }
    }

    fn was(
        &self,
        booking_id: BookingId,
        allowed: &[BookingStatus],
        quantity: u32,
        event: &'static str,
    ) -> Result<(), Violation> {
        let booking = self.booking(booking_id).ok_or(Violation::Misfit { event })?;
        if !allowed.contains(&booking.status) {
            return Err(Violation::State { booking_id, status: booking.status, event });
        }
        if booking.quantity == quantity { Ok(()) } else { Err(Violation::Misfit { event }) }
    }

    fn on_time(
        &self,
        booking_id: BookingId,
        event: &'static str,
        at: Timestamp,
        right: impl Fn(Timestamp) -> bool,
    ) -> Result<(), Violation> {
        match self.booking(booking_id).and_then(|b| b.expires_at) {
            Some(expires_at) if !right(expires_at) => {
                Err(Violation::Time { booking_id, expires_at, event, at })
            }
            _ => Ok(()),
        }
    }
}

/// A show whose opening says when its sale ends was opened under the rule; older logs may hold later sales.
fn in_sale(
    subject: &Subject,
    end: impl Fn(&Subject) -> Option<Timestamp>,
    event: &'static str,
    at: Timestamp,
) -> Result<(), Violation> {
    match (subject, end(subject)) {
        (Subject::Show { sales_end_at: Some(_), .. }, Some(ended_at)) if ended_at <= at => {
            Err(Violation::AfterSale { event, ended_at, at })
        }
        _ => Ok(()),
    }
}
