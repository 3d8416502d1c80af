//! Problems in the OpenAPI document: an endpoint lists its codes, the rest is made from them.

use super::{Code, FieldError, PROBLEM_JSON};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
        example::{Example, ExampleBuilder},
    },
};

/// Problem details (RFC 9457): why a request was not done.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemSchema {
    /// A URI that names the kind of problem.
    #[schema(example = "urn:holdfast:problem:sold_out")]
    r#type: String,
    /// A short sentence, the same for every answer with this code.
    title: String,
    /// The status of the answer.
    status: u16,
    /// A word that never changes its meaning. One you do not know means what the status means.
    #[schema(example = "sold_out")]
    code: String,
    /// A sentence for this occasion, for people.
    detail: String,
    /// With `validation_failed`: every field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
    /// With `sold_out`: seats asked for.
    requested: Option<u32>,
    /// With `sold_out`: seats left at that moment.
    available: Option<u32>,
    /// With `booking_limit_reached`: the policy's field, `seats_per_user` or `holds_per_user`.
    limit_name: Option<String>,
    /// With `booking_limit_reached`: how much of the limit the user has used.
    used: Option<u32>,
    /// With `duplicate_booking`: live bookings the policy allows a user. With `booking_limit_reached`: the number of the limit.
    limit: Option<u32>,
    /// With `duplicate_booking`: live bookings the user has. With `bookings_to_come`: those to come, 1,000 at most.
    live: Option<u32>,
    /// With `sales_closed`, if a time closed them: when it came.
    sales_ended_at: Option<String>,
    /// With `departed`: when the flight left or the show began.
    departed_at: Option<String>,
    /// With `hold_expired`: when the hold ended.
    expired_at: Option<String>,
    /// With `rate_limited`: when to come again; the same as `Retry-After`.
    retry_after_seconds: Option<u32>,
    /// With `invalid_state`: what the booking is.
    booking_status: Option<String>,
    /// With `invalid_state`: the statuses from which this is allowed.
    allowed: Option<Vec<String>>,
    /// With `in_use`: what depends on it, `airports` or `flights`.
    used_by: Option<String>,
    /// With `scope_missing`: the scope that the API key lacks.
    scope: Option<String>,
}

/// Declares the problems an endpoint may answer with, as responses of its OpenAPI operation.
macro_rules! problems {
    ($(#[$meta:meta])* $name:ident: $($code:ident),* $(,)?) => {
        $(#[$meta])*
        pub(crate) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses()
            -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::problem::responses(&[$($crate::problem::Code::$code),*])
            }
        }
    };
}
pub(crate) use problems;

/// One response for each status, with an example for each code. Every operation may fail on our side.
pub(crate) fn responses(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in codes.iter().chain(&[Code::Internal]) {
        by_status.entry(code.status().as_str().to_owned()).or_default().push(*code);
    }
    by_status.into_iter().map(|(status, codes)| (status, response(&codes).into())).collect()
}

fn response(codes: &[Code]) -> Response {
    let described: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(codes.iter().map(|code| (code.as_str(), RefOr::T(example(*code)))))
        .build();
    ResponseBuilder::new().description(described.join("; ")).content(PROBLEM_JSON, content).build()
}

fn example(code: Code) -> Example {
    let body = json!({
        "type": code.uri(), "title": code.title(), "status": code.status().as_u16(),
        "code": code.as_str(), "detail": code.title(),
    });
    ExampleBuilder::new().summary(code.title()).value(Some(body)).build()
}
