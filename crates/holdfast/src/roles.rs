//! The roles of the executable, one file each.

pub(crate) mod api;
pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod migrate;
pub(crate) mod notify;
pub(crate) mod parked;
pub(crate) mod project;
pub(crate) mod rebuild;
pub(crate) mod relay;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod user;
pub(crate) mod verify;

/// File in a data folder with the secret that signs tokens.
pub(crate) const TOKEN_SECRET_FILE: &str = "token-secret";
