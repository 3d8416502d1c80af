//! What is answered when something is not done: problem details (RFC 9457) with a stable `code`.
//!
//! Guarantee: an answer carries nothing but what is said here: no SQL, no path, nobody else's id.
//! What failed inside is logged where it is turned into a problem (`refusal`), once.
//! Not here: booking_monitor's `{"error": …}` (`compat`).

mod code;
mod docs;
mod refusal;

pub(crate) use code::Code;
pub(crate) use docs::{ProblemSchema, problems, responses};
pub(crate) use refusal::StoreError;

use crate::scopes::Scope;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use holdfast_domain::{BookingStatus, Timestamp};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Media type of problem details.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// Seconds after which a refused request may be sent again: queues drain and take-overs end within one.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";
/// What a client without a valid token is asked for.
const CHALLENGE: &str = "Bearer realm=\"holdfast\"";

/// One field of the request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"pointer": "/quantity", "detail": "must be a whole number from 1 to 100"}))]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901) into the body; in a GET, the parameter's name after a slash.
    pub pointer: String,
    /// What the value must be.
    pub detail: String,
}

/// A problem that tells what to do next carries the numbers for it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Extension {
    Errors {
        errors: Vec<FieldError>,
    },
    SoldOut {
        requested: u32,
        available: u32,
    },
    DuplicateBooking {
        limit: u32,
        live: u32,
    },
    BookingsToCome {
        live: u32,
    },
    BookingLimit {
        limit_name: &'static str,
        limit: u32,
        used: u32,
    },
    SalesEnded {
        sales_ended_at: Timestamp,
    },
    Departed {
        departed_at: Timestamp,
    },
    HoldExpired {
        expired_at: Timestamp,
    },
    RateLimited {
        retry_after_seconds: u32,
    },
    /// `booking_status`, because `status` is the answer's own.
    InvalidState {
        booking_status: BookingStatus,
        allowed: &'static [BookingStatus],
    },
    InUse {
        used_by: &'static str,
    },
    ScopeMissing {
        scope: &'static str,
    },
}

/// Something that was not done, and why.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    extension: Option<Extension>,
    /// Postgres got the statement and did not answer it.
    unanswered: bool,
}

impl Problem {
    /// A problem with a sentence for this occasion.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), extension: None, unanswered: false }
    }

    /// The same, where the statement was a write: one that was not answered has perhaps committed.
    pub(crate) fn of_write(self) -> Self {
        if !self.unanswered {
            return self;
        }
        Self::new(
            Code::OutcomeUnknown,
            "it was perhaps done: look, or send it again; with the same Idempotency-Key it has one effect",
        )
    }

    /// There is no such thing, or it is somebody else's: nobody can tell which.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "nothing is here that you could see; /docs lists what there is")
    }

    /// A customer asked for somebody else.
    pub(crate) fn forbidden_for_another() -> Self {
        Self::new(Code::Forbidden, "a customer books and sees for itself only")
    }

    /// An API key that lacks the scope of what it asks.
    pub(crate) fn scope_missing(scope: Scope) -> Self {
        let scope = scope.as_str();
        Self::new(Code::ScopeMissing, format!("make an API key with the scope {scope}"))
            .with(Extension::ScopeMissing { scope })
    }

    /// An API key that asks what is a person's to ask.
    pub(crate) fn sign_in_required() -> Self {
        Self::new(Code::SignInRequired, "an API key may not ask this; sign in and send the token")
    }

    /// Something failed that should not; the caller has logged it.
    pub(crate) fn internal() -> Self {
        Self::new(Code::Internal, "something failed on our side; sending it again with the same key is safe")
    }

    /// Fields of the request that are wrong.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        Self::new(Code::ValidationFailed, "see errors").with(Extension::Errors { errors })
    }

    /// What went wrong.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Why, in one sentence, for those who are not answered with problem details.
    pub(crate) fn sentence(&self, name_of: impl for<'a> Fn(&'a str) -> &'a str) -> String {
        match &self.extension {
            Some(Extension::Errors { errors }) => {
                let wrong = errors.iter().map(|error| {
                    let name = name_of(error.pointer.trim_start_matches('/'));
                    format!("{name} {}", error.detail).trim_start().to_owned()
                });
                wrong.collect::<Vec<_>>().join("; ")
            }
            _ => self.detail.clone().into_owned(),
        }
    }

    /// When to come again, where that depends on the occasion.
    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        match self.extension {
            Some(Extension::RateLimited { retry_after_seconds }) => Some(retry_after_seconds),
            _ => None,
        }
    }

    fn unanswered(self, unanswered: bool) -> Self {
        Self { unanswered, ..self }
    }

    pub(crate) fn with(self, extension: Extension) -> Self {
        Self { extension: Some(extension), ..self }
    }
}

/// The problem as it is sent.
#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    extension: &'a Option<Extension>,
}

impl Problem {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let body = ProblemBody {
            kind: self.code.uri(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            extension: &self.extension,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let retry_after = self.retry_after_seconds();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], self.to_json()).into_response();
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What was found or done; none if there is no such thing, where that is no problem or another one.
pub(crate) fn if_known<T>(found: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(problem) if problem.code == Code::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_problem_carries_its_numbers_beside_its_code() {
        let problem = Problem::new(Code::SoldOut, "2 seats requested, 1 available")
            .with(Extension::SoldOut { requested: 2, available: 1 });
        let body: Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "urn:holdfast:problem:sold_out", "title": "Not enough seats are left", "status": 409,
                "code": "sold_out", "detail": "2 seats requested, 1 available", "requested": 2, "available": 1
            })
        );
    }

    #[test]
    fn a_refusal_for_want_of_a_token_says_which_kind_is_wanted() {
        let response = Problem::new(Code::Unauthenticated, "no token").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], CHALLENGE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    }

    #[test]
    fn a_problem_that_passes_says_when_to_try_again() {
        for code in [Code::Overloaded, Code::StoreUnavailable, Code::OutcomeUnknown] {
            let response = Problem::new(code, "").into_response();
            assert_eq!(response.headers()[header::RETRY_AFTER], RETRY_AFTER_SECONDS, "{code:?}");
        }
    }
}
