//! `PUT /v1/users/{id}/role`: what somebody may do. For admins only, and audited.

use super::UserView;
use crate::{
    extract::{Admin, Body, PathId},
    form::{Fields, Form, RoleWord},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users,
    view::JsonAnswer,
};
use axum::extract::State;
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for another role.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "agent"}))]
pub(crate) struct SetRole {
    /// What the account may do from now on.
    #[schema(inline)]
    role: RoleWord,
}

impl Form for SetRole {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<RoleWord>("role");
    }
}

problems! {
    /// Why the role is not given.
    SetRoleProblems:
        MalformedJson, Unauthenticated, Forbidden, NotFound, LastAdmin, StaffPassword, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Give an account a role: here at once, on other servers within 5 seconds. The last admin stays one. An agent's and
/// an admin's password has at least 12 characters: an account with a shorter one changes it first.
#[utoipa::path(
    put, path = "/v1/users/{id}/role", tag = "users", request_body = SetRole,
    params(("id" = uuid::Uuid, Path, description = "The account.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The account.", body = UserView), SetRoleProblems)
)]
pub(crate) async fn set_role(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    PathId(id): PathId,
    Body(request): Body<SetRole>,
) -> Result<JsonAnswer<UserView>, Problem> {
    let (user, by) = (UserId(id), Some(admin.user_id));
    let user =
        bounded_write(users::set_role(&api.pools.accounts, &*api.ambient, user, request.role.0, by)).await?;
    api.accounts.changed(user.user_id);
    Ok(JsonAnswer(user.into()))
}
