//! `POST /api/v1/signin`. A wrong password and an unknown address are answered the same, in the same time.

use super::credentials;
use crate::{
    airbourne::{
        answer::Envelope,
        refusal::Refusal,
        request::{Lenient, Sent},
        says::{Says, Wrong},
    },
    auth,
    extract::{ClientAddress, UserAgent},
    problem::Code,
    state::{Api, ApiState},
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;

const SAYS: Says = Says {
    envelope: Envelope::AUTH,
    wrong: Wrong::Nested,
    status: StatusCode::OK,
    done: " sign in successful",
    failed: "signin is unsuccessful",
};
/// What is said where e-mail and password do not belong together.
const WRONG: &str = "password doesnt match";

/// A token and whose it is.
#[derive(Serialize)]
struct Token {
    token: String,
    id: i64,
}

/// Sign in: `{email, password}`.
#[utoipa::path(
    post, path = "/api/v1/signin", tag = "airbourne", request_body(content = Object, example = json!({"email": "ada@example.org", "password": "correct horse"})),
    responses(
        (status = 200, description = "A token."),
        (status = "4XX", description = "400: something is missing; 401: it is wrong; 429: it was wrong too often."),
        (status = "5XX", description = "Come again."),
    )
)]
pub(crate) async fn sign_in(
    State(api): State<ApiState>,
    client: ClientAddress,
    agent: UserAgent,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let sent = match sent.as_ref().map_err(Clone::clone).and_then(|sent| credentials(sent).map(|_| sent)) {
        Ok(sent) => sent,
        Err(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
            // No account has such an address or password.
            return SAYS.refuse(Refusal::new(StatusCode::UNAUTHORIZED, WRONG));
        }
        Err(refusal) => {
            return Envelope::SIGN_UP.failed(refusal.status, refusal.text, "something went wrong");
        }
    };
    SAYS.answer(token(&api, sent, client, agent).await)
}

async fn token(api: &Api, sent: &Sent, client: ClientAddress, agent: UserAgent) -> Result<Token, Refusal> {
    let (email, password) = credentials(sent)?;
    match auth::sign_in(api, &email, password, client, agent).await {
        Ok(signed_in) => Ok(Token { token: signed_in.token, id: signed_in.user.number }),
        Err(problem) if problem.code() == Code::InvalidCredentials => {
            Err(Refusal::new(problem.code().status(), WRONG))
        }
        Err(problem) => Err(problem.into()),
    }
}
