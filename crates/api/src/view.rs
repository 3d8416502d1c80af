//! How things look in answers: one shape for each, wherever it is answered.

mod booking;
mod cursor;
mod done;
mod flight;
mod made;
mod money;
mod page;
mod seats;
mod show;
mod versioned;

pub(crate) use booking::{BookingView, StatusSchema};
pub(crate) use cursor::{Cursor, InvalidCursor, KeyCursor, instant};
pub(crate) use done::Done;
pub(crate) use flight::FlightView;
pub(crate) use made::Made;
pub(crate) use money::MoneyView;
pub(crate) use page::{Freshness, Meta, Page, freshness, is_not_made_yet};
pub(crate) use seats::SeatsView;
pub(crate) use show::{PolicyView, ShowView};
pub(crate) use versioned::{Versioned, tag};

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Bytes of a typical answer: saves growing the buffer.
const ANSWER_BYTES: usize = 512;

/// An answer in JSON, serialised once.
pub(crate) struct JsonAnswer<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for JsonAnswer<T> {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(ANSWER_BYTES);
        match serde_json::to_writer(&mut body, &self.0) {
            Ok(()) => {
                ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
            }
            Err(_) => crate::problem::Problem::internal().into_response(),
        }
    }
}
