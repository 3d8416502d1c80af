//! `GET /api/v1/isAuthenticated`: whose token it is.

use crate::{
    airbourne::{answer::Envelope, refusal::theirs},
    extract::{Nobody, authenticate},
    problem::Problem,
    state::ApiState,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::json;

const FAILED: &str = "authentication is unsuccessful";

/// Whose token is in `x-access-token`.
#[utoipa::path(
    get, path = "/api/v1/isauthenticated", tag = "airbourne",
    responses(
        (status = 201, description = "The id of its account."),
        (status = "4XX", description = "401: there is no token, or it is not good."),
        (status = "5XX", description = "Come again."),
    )
)]
pub(crate) async fn is_authenticated(State(api): State<ApiState>, headers: HeaderMap) -> Response {
    let nobody = match authenticate(&headers, &api).await {
        Ok(known) => {
            return Envelope::AUTH.done(StatusCode::CREATED, known.number, " authentication is successful");
        }
        Err(nobody) => nobody,
    };
    // Its clients look at the name: it is that of the library that Airbourne reads tokens with.
    let (status, text) = match nobody {
        Nobody::NoToken => (StatusCode::UNAUTHORIZED, "jwt must be provided".to_owned()),
        Nobody::Token(text) => (StatusCode::UNAUTHORIZED, text.to_owned()),
        Nobody::Problem(problem) => return unavailable(&problem),
    };
    let wrong = json!({"error": {"name": "JsonWebTokenError", "message": text}});
    Envelope::AUTH.failed(status, wrong, FAILED)
}

fn unavailable(problem: &Problem) -> Response {
    Envelope::AUTH.failed(problem.code().status(), json!({"error": problem.sentence(theirs)}), FAILED)
}
