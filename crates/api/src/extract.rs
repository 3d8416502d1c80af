//! What handlers take out of a request. The order of their arguments is the order of the checks:
//! who may ask (401, 403), then the key (400), then the form (413, 415, 400, 422), then the facts.

mod body;
mod caller;
mod client;
mod headers;
mod id;
mod query;
mod refused;

pub(crate) use body::{Body, OptionalBody, is_encoded, read_body};
pub(crate) use caller::{
    Admin, Caller, CallerSession, CheckedToken, Known, Nobody, Person, Staff, authenticate, token,
};
pub(crate) use client::{ClientAddress, Peer, UserAgent, client_address};
pub(crate) use headers::{FreshFrom, IdempotencyKey, IfMatch, REQUEST_ID, Trace, id_or_new};
pub(crate) use id::{PathId, PathIds};
pub(crate) use query::{FromQuery, Params, Query};
pub(crate) use refused::FormRefused;
