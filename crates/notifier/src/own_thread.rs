//! A thread for work that must not take the processor from requests.
//!
//! The kernel gives a thread of lower priority what the others leave, and a small share of what they do not: mails and
//! webhooks go out at full speed on a machine that has time, and slowly on one that is busy with bookings. It is one thread
//! (and its threads for files), so sending never takes more than about one core.

use rustix::process::{getpriority_process, setpriority_process};
use std::{io, thread};
use tokio::{runtime::Builder, sync::oneshot};
use tracing::{debug, error};

/// Nice value of the thread: under load it gets about a tenth of what a thread of usual priority gets.
const NICE: i32 = 10;
/// Threads for blocking work, which is files and names: bounds what hangs with a disk.
const BLOCKING_THREADS_MAX: usize = 8;

/// Runs `work` to its end on a thread of its own, with a runtime of its own, at a lower priority.
///
/// # Errors
/// If the thread cannot be started, or its work panicked.
pub(crate) async fn run<F>(name: &'static str, work: F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name(name)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .on_thread_start(lower_priority)
        .build()?;
    let (ended, end) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        lower_priority();
        runtime.block_on(work);
        // What still waits for a disk or a name must not hold it up.
        runtime.shutdown_background();
        let _: Result<(), ()> = ended.send(());
    })?;
    end.await.map_err(|_| {
        error!("the thread {name} panicked");
        io::Error::other("the work of a thread panicked")
    })
}

/// Of the calling thread alone: on Linux a priority is a thread's.
fn lower_priority() {
    let lowered = getpriority_process(None).and_then(|nice| setpriority_process(None, nice.max(NICE)));
    if let Err(error) = lowered {
        debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_thread_of_the_work_and_its_blocking_ones_have_a_lower_priority() {
        let (tell, told) = oneshot::channel();
        let work = async move {
            let here = getpriority_process(None).unwrap();
            let blocking = tokio::task::spawn_blocking(|| getpriority_process(None).unwrap()).await.unwrap();
            tell.send((here, blocking)).unwrap();
        };
        let before = getpriority_process(None).unwrap();
        run("test", work).await.unwrap();
        assert_eq!(told.await.unwrap(), (before.max(NICE), before.max(NICE)));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error() {
        assert!(run("test", async { panic!("on purpose") }).await.is_err());
    }
}
