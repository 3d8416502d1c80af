//! Who is asking: tokens, passwords and roles.
//!
//! A token says who; the `users` table, through a cache of a few seconds, says what they may do and whether the token
//! still counts. So a role that was taken away, a deleted account, signing out and another password take effect
//! without waiting for a token to end: in this process at once, in others when the cache forgets.
//! An API key stands in for a token where the operation's scope is among its own (`api_keys`, `scopes`).

mod accounts;
mod api_keys;
mod guesses;
mod password;
mod prove;
mod sign_in;
mod token;

pub(crate) use accounts::Accounts;
pub(crate) use api_keys::{ApiKeys, KeyInUse, KeyRefused, NewKey, ProvenKeys, SentKey};
pub(crate) use guesses::Guesses;
pub use password::HashError;
pub(crate) use password::{Hasher, hash_blocking, salt, verify_blocking};
pub(crate) use prove::{prove, wrong_password};
pub(crate) use sign_in::{SignedIn, sign_in};
pub(crate) use token::{Session, TokenError, Tokens};

use crate::users::Role;
use holdfast_domain::UserId;

/// Somebody whose token is good and whose account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Who.
    pub(crate) user_id: UserId,
    /// What they may do.
    pub(crate) role: Role,
}

impl Principal {
    /// Whether this one acts for others.
    pub(crate) fn is_staff(&self) -> bool {
        matches!(self.role, Role::Agent | Role::Admin)
    }

    /// Whether this one may ask for `user`.
    pub(crate) fn may_act_for(&self, user: UserId) -> bool {
        self.user_id == user || self.is_staff()
    }

    /// The owner a booking must have for this one to see and change it; none: anybody's.
    pub(crate) fn only_own(&self) -> Option<UserId> {
        (!self.is_staff()).then_some(self.user_id)
    }
}
