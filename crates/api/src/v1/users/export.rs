//! `GET /v1/users/me/export`: all that is kept of the caller, as one JSON document.
//!
//! It is streamed: a page of one list is read, written and sent before the next is read, so neither memory nor a connection grows with
//! what there is. A page that cannot be read ends the connection, and what has come is no whole document.

mod parts;

use super::UserView;
use crate::{
    extract::Caller,
    problem::{Problem, problems},
    state::ApiState,
    users,
    v1::{
        admin_actions::AdminActionView, reminders::ReminderView, role_changes::RoleChangeView,
        webhook_endpoints::EndpointView,
    },
    view::BookingView,
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream::try_unfold;
use holdfast_domain::UserId;
use parts::{MailView, PARTS, Place, page};
use serde::Serialize;
use std::io;
use utoipa::ToSchema;

/// All that is kept of an account. Only for the document: the answer is written part by part.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountExport)]
pub(crate) struct AccountExport {
    account: UserView,
    /// Its bookings, the latest first, as far as the read model is.
    bookings: Vec<BookingView<'static>>,
    /// Its reminders of the last 30 days, and those that wait.
    reminders: Vec<ReminderView>,
    /// Mails about its bookings that are owed, or were sent or given up in the last 30 days.
    mails: Vec<MailView>,
    /// The roles that it was given.
    role_changes: Vec<RoleChangeView>,
    /// What it did as an admin.
    admin_actions: Vec<AdminActionView>,
    /// Webhook endpoints that it has registered.
    webhook_endpoints: Vec<EndpointView>,
}

problems! {
    /// Why it is not shown.
    ExportMeProblems: Unauthenticated, NotFound, StoreUnavailable,
}

/// All that is kept of your account, in one document: the account, bookings, reminders, mails, roles, and what it did as an admin.
#[utoipa::path(
    get, path = "/v1/users/me/export", tag = "users", security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "All of it.", body = AccountExport), ExportMeProblems)
)]
pub(crate) async fn export_me(
    State(api): State<ApiState>,
    Caller(caller): Caller,
) -> Result<Response, Problem> {
    let user =
        users::find_by_id(&api.pools.accounts, caller.user_id).await?.ok_or_else(Problem::not_found)?;
    let account = serde_json::to_vec(&UserView::from(user)).map_err(|_| Problem::internal())?;
    let first = [b"{\"account\":".as_slice(), &account].concat();
    let next = Next::Head(first);
    let stream = try_unfold((api, next), move |(api, next)| async move {
        let Some((bytes, next)) = step(&api, caller.user_id, next).await? else { return Ok(None) };
        Ok::<_, io::Error>(Some((Bytes::from(bytes), (api, next))))
    });
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((kind, Body::from_stream(stream)).into_response())
}

/// What is written next.
enum Next {
    Head(Vec<u8>),
    /// A page of a part; none: its first.
    Page(usize, Option<Place>),
    End,
}

async fn step(api: &ApiState, user: UserId, next: Next) -> io::Result<Option<(Vec<u8>, Next)>> {
    match next {
        Next::Head(bytes) => Ok(Some((bytes, Next::Page(0, None)))),
        Next::End => Ok(None),
        Next::Page(nth, after) => {
            let Some((name, part)) = PARTS.get(nth) else { return Ok(Some((b"}".to_vec(), Next::End))) };
            let (items, last) = page(api, user, *part, after).await.map_err(|problem| {
                io::Error::other(format!("a page of {name} could not be read: {:?}", problem.code()))
            })?;
            let mut bytes = match after {
                None => format!(",\"{name}\":[").into_bytes(),
                Some(_) if items.is_empty() => vec![],
                Some(_) => b",".to_vec(),
            };
            bytes.extend(items.join(b",".as_slice()));
            let next = match last {
                Some(last) => Next::Page(nth, Some(last)),
                None => {
                    bytes.push(b']');
                    Next::Page(nth + 1, None)
                }
            };
            Ok(Some((bytes, next)))
        }
    }
}
