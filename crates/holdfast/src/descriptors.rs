//! How many descriptors this process may have open: as many as the system allows at all.
//!
//! The soft limit of a shell is 1,024 for the sake of old programs; a thousand sockets of one client stood against the connections
//! to Postgres. The Postgres and the Kafka of `up` are processes of their own and inherit the raised limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than any process of ours needs; some systems allow a billion, and programs that count through them take minutes.
const DESCRIPTORS_MAX: u64 = 1_048_576;

/// Raises the limit. Where the system refuses, it stays, and connections are bounded by it.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX);
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// How many it may have open.
pub(crate) fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS_MAX);
    usize::try_from(current).unwrap_or(usize::MAX)
}
