//! Async work from `Drop`, which cannot wait for a future.

use std::{thread, time::Duration};

/// How long tidying up after a test may take; what is left over is removed by the next run.
const TIDY_MAX: Duration = Duration::from_secs(10);

/// Runs `work` to its end on a thread of its own; gives up at the deadline. Errors are the caller's to print.
pub(crate) fn finish(work: impl Future<Output = ()> + Send) {
    thread::scope(|scope| {
        let ran = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { tokio::time::timeout(TIDY_MAX, work).await }).is_ok()
        });
        if !ran.join().unwrap_or(false) {
            eprintln!("testkit: tidying up after a test took longer than {TIDY_MAX:?}, or panicked; left it");
        }
    });
}
