//! The threads of a process.
//!
//! Commands have threads of their own, half of the cores: Postgres, which takes about as much for a booking as we do, has the
//! others. With more, those threads mostly wake each other: on two cores, two of them take 45 µs of CPU for a request of the
//! flash sale, and one takes 32. Searches, which are more work for us than for Postgres, and what follows the log have as many
//! threads beside them, so that a long list delays no booking.

use std::{io, thread::available_parallelism};
use tokio::runtime::{Builder, Runtime};

/// The runtimes of a process.
pub(crate) struct Runtimes {
    /// HTTP, commands and the writer; in a process without them, everything.
    pub(crate) main: Runtime,
    /// Searches, projectors, relay and notifier of a server.
    pub(crate) beside: Runtime,
}

impl Runtimes {
    /// With so many threads for commands, and as many beside them. None, where there are no commands: one for each core.
    pub(crate) fn start(threads: Option<usize>) -> io::Result<Self> {
        let main = runtime("commands", threads.unwrap_or_else(cores))?;
        Ok(Self { main, beside: runtime("beside", threads.unwrap_or(1))? })
    }
}

/// The threads of a server where none were asked for.
pub(crate) fn half_of_the_cores() -> usize {
    cores().div_ceil(2)
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn runtime(name: &str, threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build()
}
