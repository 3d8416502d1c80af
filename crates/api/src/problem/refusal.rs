//! The one place where errors of the layers below become problems, and where they are logged.

use super::{Code, Extension, FieldError, Problem};
use holdfast_catalogue::{CatalogueError, Parent};
use holdfast_domain::{Refused, SubjectKind};
use holdfast_event_log::ReadError;
use holdfast_writer::ExecuteError;
use std::error::Error;
use tracing::{error, warn};

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::Invalid(field) => {
                Self::invalid(vec![FieldError { pointer: field.pointer.to_owned(), detail: field.detail }])
            }
            Refused::UnknownInventory | Refused::UnknownBooking | Refused::OtherKind { .. } => {
                Self::not_found()
            }
            Refused::AlreadyOpen => Self::new(Code::AlreadyOpen, detail),
            Refused::SoldOut { requested, available } => {
                Self::new(Code::SoldOut, detail).with(Extension::SoldOut { requested, available })
            }
            Refused::DuplicateBooking { limit, live } => {
                Self::new(Code::DuplicateBooking, detail).with(Extension::DuplicateBooking { limit, live })
            }
            Refused::BookingLimitReached { name, limit, used } => {
                Self::new(Code::BookingLimitReached, detail).with(Extension::BookingLimit {
                    limit_name: name.as_str(),
                    limit,
                    used,
                })
            }
            Refused::SalesClosed => Self::new(Code::SalesClosed, detail),
            Refused::SalesEnded { ended_at } => {
                Self::new(Code::SalesClosed, detail).with(Extension::SalesEnded { sales_ended_at: ended_at })
            }
            Refused::Departed { departed_at, .. } => {
                Self::new(Code::Departed, detail).with(Extension::Departed { departed_at })
            }
            Refused::Cancelled { kind: SubjectKind::Flight } => Self::new(Code::FlightCancelled, detail),
            Refused::Cancelled { kind: SubjectKind::Show } => Self::new(Code::ShowCancelled, detail),
            Refused::VersionMismatch { .. } => Self::new(Code::VersionMismatch, detail),
            Refused::HoldExpired { expired_at } => {
                Self::new(Code::HoldExpired, detail).with(Extension::HoldExpired { expired_at })
            }
            Refused::InvalidState { status, allowed } => {
                let detail = format!("the booking is {}", status.as_str());
                Self::new(Code::InvalidState, detail)
                    .with(Extension::InvalidState { booking_status: status, allowed })
            }
        }
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Refused(refused) => refused.into(),
            ExecuteError::KeyReused => {
                Self::new(Code::IdempotencyKeyReused, "this key was accepted with another request")
            }
            ExecuteError::Overloaded => {
                Self::new(Code::Overloaded, "nothing was done; try again after a second")
            }
            ExecuteError::Unavailable => {
                Self::new(Code::StoreUnavailable, "nothing was done; try again after a second")
            }
            ExecuteError::OutcomeUnknown => Self::new(
                Code::OutcomeUnknown,
                "send it again with the same Idempotency-Key: it has one effect, and the answer says which",
            ),
        }
    }
}

impl From<CatalogueError> for Problem {
    fn from(error: CatalogueError) -> Self {
        let detail = error.to_string();
        match error {
            CatalogueError::Unknown => Self::not_found(),
            CatalogueError::NameTaken => Self::new(Code::NameTaken, detail),
            CatalogueError::CodeTaken => Self::new(Code::AirportCodeTaken, detail),
            CatalogueError::NoParent(parent) => {
                let pointer = match parent {
                    Parent::City => "/city_id",
                    Parent::Airplane => "/airplane_id",
                    Parent::DepartureAirport => "/departure_airport_id",
                    Parent::ArrivalAirport => "/arrival_airport_id",
                };
                Self::invalid(vec![FieldError { pointer: pointer.to_owned(), detail }])
            }
            CatalogueError::InUse(by) => {
                Self::new(Code::InUse, detail).with(Extension::InUse { used_by: by.as_str() })
            }
            CatalogueError::Changed => Self::new(
                Code::VersionMismatch,
                "read it again, and send the change with the ETag of that answer if it is still wanted",
            ),
            CatalogueError::KeyReused => Self::new(
                Code::IdempotencyKeyReused,
                "this key was accepted with another request, or what it made was deleted",
            ),
            CatalogueError::NumbersExhausted => {
                error!("all numbers of a catalogue table have been given");
                Self::internal()
            }
            CatalogueError::Database(error) => StoreError::Database(error).into(),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Postgres said no.
    #[error("a table could not be read or written")]
    Database(#[from] sqlx::Error),
    /// The log holds what this build does not understand.
    #[error("the log could not be read")]
    Log(#[from] ReadError),
    /// No answer within the bound.
    #[error("Postgres did not answer in time")]
    Timeout,
}

impl StoreError {
    /// Whether asking again later may help: the connection failed, the server is going down (SQLSTATE classes 08 and
    /// 57P), has no room (53, 58), is read-only (25006), or gave the statement up (40, 55P03, 57014), not the question.
    fn passes(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Log(ReadError::Decode { .. } | ReadError::Stream { .. }) => false,
            Self::Database(error) | Self::Log(ReadError::Database(error)) => match error {
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
                sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(answer) => answer.code().is_some_and(|code| {
                    ["08", "25006", "40", "53", "55P03", "57P", "57014", "58"]
                        .iter()
                        .any(|class| code.starts_with(class))
                }),
                _ => false,
            },
        }
    }
}

impl StoreError {
    /// Whether Postgres may have done what it was asked: the connection or our patience ended before its answer (SQLSTATE
    /// classes 08 and 57P: it ended the connection itself). A wait for a connection that ends is none of these.
    fn is_unanswered(&self) -> bool {
        let (Self::Database(error) | Self::Log(ReadError::Database(error))) = self else {
            return matches!(self, Self::Timeout);
        };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
            sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(answer) => {
                answer.code().is_some_and(|code| ["08", "57P"].iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.passes() {
            warn!(error = &error as &dyn Error, "the store cannot be reached");
            return Self::new(Code::StoreUnavailable, "nothing was done; try again after a second")
                .unanswered(error.is_unanswered());
        }
        error!(error = &error as &dyn Error, "the store answered with something unexpected");
        Self::internal()
    }
}
