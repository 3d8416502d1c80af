//! What a command says on standard output and standard error.
//!
//! Guarantee: a reader that went away, or a full disk behind a redirection, changes nothing about what is done: a server
//! goes on, a command ends its Postgres. `println!` would panic; the lints of this crate forbid it.

use std::fmt::Display;
use std::io::Write as _;

/// A line of the result.
pub(crate) fn line(text: impl Display) {
    // Nobody is left to be told.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line about what went wrong.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
