//! The log: the only code that touches `log_heads`, `events` and `commands`.
//!
//! Guarantees
//! - In every partition positions are 1, 2, 3 … without gaps, and what is acknowledged stays.
//! - Committed appends of a partition form one chain: each was made by a writer that knew all of it
//!   (compare-and-swap on epoch and position, in the statement that writes the events).
//! - An append whose outcome is unknown is never sent again; `take_over` settles it, and
//!   `commands` tells what became of each command.
//!
//! Not here: which events to write (`domain`), in which order commands are answered (`writer`).

mod append;
mod heads;
mod position;
mod read;

pub use append::{Append, AppendError, Appended, NewEvent};
pub use heads::{
    Claim, Head, HeadError, Identity, Owner, TakenOver, heads, identity, initialize, owners, partitions,
    release, renew, take_over,
};
pub use position::LogPosition;
pub use read::{
    RawEvent, ReadError, Recorded, StoredCommand, booking_user_sql, event_id_sql, find_answers, find_booking,
    find_commands, last_sequence, read_after, read_at, read_each, read_openings, read_raw_after,
    read_raw_after_each, read_raw_at, read_sequences, read_stream_after,
};

/// The SQL of the hot statements, for the test that asks Postgres how it runs them.
#[doc(hidden)]
pub mod statements {
    pub use crate::append::APPEND;
    pub use crate::read::{
        FIND_COMMANDS, LAST_SEQUENCE, READ_AFTER, READ_AT, READ_EACH, READ_OPENINGS, READ_RAW_AFTER,
        READ_RAW_AFTER_EACH, READ_RAW_AT, READ_SEQUENCES, READ_STREAM_AFTER,
    };
}

/// Partitions of a new log. More than the cores of any machine it will run on, few enough that
/// batches stay large; fixed once the log exists.
pub const PARTITIONS_DEFAULT: u16 = 16;

/// The numbered migrations of the ground state.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
