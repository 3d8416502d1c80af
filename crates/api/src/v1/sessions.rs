//! Signing in and out.

mod create;
mod end;

pub(crate) use create::{__path_create_session, GivenPassword, create_session};
pub(crate) use end::{__path_end_session, end_session};
