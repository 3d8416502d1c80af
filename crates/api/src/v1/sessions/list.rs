//! `GET /v1/sessions`: where one is signed in.

use crate::{
    extract::{CallerSession, FormRefused, FromQuery, Params, Query},
    problem::{Problem, problems},
    state::ApiState,
    users::{self, UserSession},
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct SessionsQuery {
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for SessionsQuery {
    fn read(params: &mut Params) -> Self {
        Self { limit: params.limit(), cursor: params.cursor() }
    }
}

/// A session that has not ended. No `Debug`: it must not get into a log.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenSession)]
pub(crate) struct OpenSessionView {
    /// Names it.
    id: Uuid,
    /// When its owner signed in.
    created_at: DateTime<Utc>,
    /// When it ends, unless it is ended before.
    expires_at: DateTime<Utc>,
    /// The first 100 characters of `User-Agent` at the sign-in; null: there was none. Deleted with the session.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)")]
    client: Option<String>,
    /// It is that of this request.
    is_current: bool,
}

impl OpenSessionView {
    fn of(session: UserSession, current: Uuid) -> Self {
        let UserSession { session_id: id, client, created_at, expires_at } = session;
        Self { id, created_at, expires_at, client, is_current: id == current }
    }
}

/// Whose sessions: what a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sessions {
    sessions_of: UserId,
}

problems! {
    /// Why they are not listed.
    ListSessionsProblems: InvalidCursor, Unauthenticated, ValidationFailed, StoreUnavailable,
}

/// Your sessions that have not ended, the latest first. No address of a client is kept.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "users",
    params(
        ("limit" = Option<u32>, Query, description = "Sessions of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<OpenSessionView>), ListSessionsProblems)
)]
pub(crate) async fn list_sessions(
    State(api): State<ApiState>,
    CallerSession(caller): CallerSession,
    query: Result<Query<SessionsQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<OpenSessionView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let wanted = Sessions { sessions_of: caller.user_id };
    let before = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?.map(|(_, id)| id);
    let (pool, now) = (&api.pools.accounts, api.ambient.now());
    let found = users::sessions_of(pool, caller.user_id, before, query.limit, now).await?;
    let last = found.last().filter(|_| found.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.created_at, last.session_id));
    let view = |session| OpenSessionView::of(session, caller.token_id);
    Ok(JsonAnswer(Page::of(found.into_iter().map(view).collect(), next_cursor)))
}
