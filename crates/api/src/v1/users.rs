//! Accounts: signing up, who am I, another password; and, for admins, who there is and what they may do.

mod change_password;
mod create;
mod delete_me;
mod export;
mod list;
mod me;
mod set_role;

pub(crate) use change_password::{__path_change_password, change_password};
pub(crate) use create::{__path_create_user, create_user};
pub(crate) use delete_me::{__path_delete_me, delete_me};
pub(crate) use export::{__path_export_me, export_me};
pub(crate) use list::{__path_list_users, list_users};
pub(crate) use me::{__path_me, me};
pub(crate) use set_role::{__path_set_role, set_role};

use crate::{
    problem::{Code, FieldError, Problem, StoreError},
    users::{User, UserError},
};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::Serialize;
use utoipa::ToSchema;

/// An account, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// Names it for ever.
    #[schema(value_type = Uuid)]
    id: UserId,
    /// Where its owner is written to, in small letters.
    #[schema(example = "ada@example.com")]
    email: String,
    /// What it may do: `customer`, `agent` or `admin`.
    #[schema(example = "customer")]
    role: &'static str,
    /// Since when it exists.
    created_at: DateTime<Utc>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self { id: user.user_id, email: user.email, role: user.role.as_str(), created_at: user.created_at }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::EmailTaken => Self::new(Code::EmailTaken, "sign in, or take another address"),
            UserError::Unknown => Self::not_found(),
            UserError::LastAdmin => Self::new(Code::LastAdmin, UserError::LastAdmin.to_string()),
            UserError::Hash(error) => error.into(),
            UserError::StaffPassword => Self::new(Code::StaffPassword, error.to_string()),
            UserError::Password | UserError::CommonPassword => {
                Self::invalid(vec![FieldError { pointer: "/password".to_owned(), detail: error.to_string() }])
            }
            UserError::Store(error) => StoreError::Database(error).into(),
            UserError::Timeout => StoreError::Timeout.into(),
        }
    }
}
