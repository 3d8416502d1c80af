//! `GET /api/v1/isAdmin`: whether an account is an admin's. The original told anybody of anybody; here one asks of oneself, and an
//! admin of others.

use crate::{
    airbourne::{
        answer::Envelope,
        refusal::Refusal,
        request::{Lenient, Sent},
        says::{Says, Wrong},
    },
    extract::{Known, authenticate},
    problem::{Code, Problem},
    state::{Api, ApiState},
    users::{self, Role},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

const SAYS: Says = Says {
    envelope: Envelope::AUTH,
    wrong: Wrong::Object,
    status: StatusCode::CREATED,
    done: "  is admin",
    failed: "isnt admin",
};

/// Whether the account `{id}` of the body is an admin's.
#[utoipa::path(
    get, path = "/api/v1/isadmin", tag = "airbourne", request_body(content = Object, example = json!({"id": 1})),
    responses(
        (status = 201, description = "True or false."),
        (status = "4XX", description = "400: no id; 401: no good token; 403: another's id; 404: there is no such account."),
        (status = "5XX", description = "Come again."),
    )
)]
pub(crate) async fn is_admin(
    State(api): State<ApiState>,
    headers: HeaderMap,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let known = match authenticate(&headers, &api).await {
        Ok(known) => known,
        Err(nobody) => return SAYS.refuse(nobody.into()),
    };
    match sent {
        Ok(sent) if sent.is_empty("id") => {
            Envelope::AUTH.failed(StatusCode::BAD_REQUEST, "userId is not given", "something went wrong")
        }
        Ok(sent) => SAYS.answer(told(&api, known, &sent).await),
        Err(refusal) => SAYS.refuse(refusal),
    }
}

async fn told(api: &Api, known: Known, sent: &Sent) -> Result<bool, Refusal> {
    let asked_of = sent.required_whole("id")?;
    let role = known.principal.role;
    if asked_of == known.number {
        return Ok(role == Role::Admin);
    }
    if role != Role::Admin {
        return Err(Problem::new(Code::Forbidden, "only an admin may ask this of others").into());
    }
    let found = users::find_by_number(&api.pools.accounts, asked_of).await.map_err(Problem::from)?;
    found.map(|user| user.role == Role::Admin).ok_or_else(|| Refusal::unknown("account"))
}
