//! SIGTERM and SIGINT ask the process to finish; a second one ends it at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal: as the shell reports an interrupt.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled when the process is asked to stop.
pub(crate) fn asked_to_stop() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if asked.is_cancelled() {
                std::process::exit(INTERRUPTED);
            }
            tracing::info!("stopping: what is in flight is finished and answered");
            asked.cancel();
        }
    });
    Ok(token)
}
