//! A socket whose writes must get on: a client that does not read holds no connection, and nothing in memory for it.

use pin_project_lite::pin_project;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a write may wait for the client to take a byte. A slow client takes one in this time; what takes none is gone,
/// or means harm.
const WITHOUT_PROGRESS_MAX: Duration = Duration::from_secs(10);

pin_project! {
    /// A stream with that bound.
    pub(super) struct Progressing<S> {
        #[pin]
        stream: S,
        // Runs while a write waits. Most connections never have one.
        waiting: Option<Pin<Box<Sleep>>>,
    }
}

impl<S> Progressing<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, waiting: None }
    }
}

/// Passes on what a write says; when it has waited for too long, an error.
fn bounded<T>(
    waiting: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
    written: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    if written.is_ready() {
        *waiting = None;
        return written;
    }
    let waiting = waiting.get_or_insert_with(|| Box::pin(sleep(WITHOUT_PROGRESS_MAX)));
    match waiting.as_mut().poll(cx) {
        Poll::Ready(()) => {
            Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
        }
        Poll::Pending => Poll::Pending,
    }
}

impl<S: AsyncRead> AsyncRead for Progressing<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buf)
    }
}

impl<S: AsyncWrite> AsyncWrite for Progressing<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write(cx, bytes);
        bounded(this.waiting, cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write_vectored(cx, slices);
        bounded(this.waiting, cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}
