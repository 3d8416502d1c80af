//! Lines that a thread writes: who logs hands a line over and goes on.
//!
//! Bound: [`LINES_WAITING_MAX`] lines wait. Beyond them lines are left out, and a line says how many; a disk that hangs keeps no request.

use crate::config::SecurityLogTo;
use anyhow::Context as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for the thread: some megabytes.
const LINES_WAITING_MAX: usize = 8_192;
/// How long the end of the process waits for the last of them.
const FINISH_MAX: Duration = Duration::from_millis(500);

enum Message {
    Line(Vec<u8>),
    /// Everything before this is written when it is answered.
    Finish(SyncSender<()>),
}

/// The security log's own lines.
pub(crate) struct SecurityLog {
    writer: LineWriter,
}

/// What a layer writes its lines to.
#[derive(Clone)]
pub(crate) struct LineWriter {
    lines: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

impl SecurityLog {
    /// Opens the place, and starts the thread.
    pub(crate) fn open(to: &SecurityLogTo) -> anyhow::Result<Self> {
        let place: Box<dyn Write + Send> = match to {
            SecurityLogTo::Stderr => Box::new(io::stderr()),
            SecurityLogTo::File(path) => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
                Box::new(file.with_context(|| format!("{} cannot be opened", path.display()))?)
            }
        };
        let (lines, received) = sync_channel(LINES_WAITING_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let counted = left_out.clone();
        let thread = thread::Builder::new().name("security log".to_owned());
        thread.spawn(move || write_all(&received, place, &counted)).context("no thread could be started")?;
        Ok(Self { writer: LineWriter { lines, left_out } })
    }

    pub(crate) fn writer(&self) -> LineWriter {
        self.writer.clone()
    }

    /// Waits for what was handed over, within a bound.
    pub(crate) fn finish(self) {
        let (finished, wait) = sync_channel(1);
        if self.writer.lines.try_send(Message::Finish(finished)).is_ok() {
            // A disk that hangs does not keep the process.
            let _ = wait.recv_timeout(FINISH_MAX);
        }
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Message::Line(line.to_vec())).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until there is no sender any more. One that cannot be written is counted as left out.
fn write_all(received: &Receiver<Message>, mut place: impl Write, left_out: &AtomicU64) {
    while let Ok(message) = received.recv() {
        let line = match message {
            Message::Line(line) => line,
            Message::Finish(finished) => {
                // The process may have stopped waiting.
                let _ = finished.try_send(());
                continue;
            }
        };
        let missing = left_out.swap(0, Ordering::Relaxed);
        let written = match missing {
            0 => place.write_all(&line),
            _ => writeln!(place, r#"{{"kind":"lines_left_out","left_out":{missing}}}"#)
                .and_then(|()| place.write_all(&line)),
        };
        if written.is_err() {
            left_out.fetch_add(missing + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// A disk that hangs until it is let go.
    struct Hanging(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Hanging {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(line.to_vec());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_hangs_keeps_no_logger_and_what_was_left_out_is_counted() {
        let (release, held) = channel();
        let (sent, seen) = channel();
        let (lines, received) = sync_channel(2);
        let left_out = Arc::new(AtomicU64::new(0));
        let mut writer = LineWriter { lines, left_out: left_out.clone() };
        for _ in 0..10 {
            writer.write_all(b"line\n").unwrap();
        }
        assert_eq!(left_out.load(Ordering::Relaxed), 8);
        let counted = left_out.clone();
        let thread = thread::spawn(move || write_all(&received, Hanging(held, sent), &counted));
        drop(release);
        drop(writer);
        thread.join().unwrap();
        let text: Vec<u8> = seen.iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "{\"kind\":\"lines_left_out\",\"left_out\":8}\nline\nline\n");
    }
}
