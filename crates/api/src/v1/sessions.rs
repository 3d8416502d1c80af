//! Signing in and out, and the sessions of an account.

mod create;
mod end;
mod end_one;
mod end_others;
mod list;

pub(crate) use create::{__path_create_session, GivenPassword, create_session};
pub(crate) use end::{__path_end_session, end_session};
pub(crate) use end_one::{__path_end_one_session, end_one_session};
pub(crate) use end_others::{__path_end_other_sessions, end_other_sessions};
pub(crate) use list::{__path_list_sessions, list_sessions};
