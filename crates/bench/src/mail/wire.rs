//! What both sinks are: a listener whose connections have a thread each, and a count of what was taken and when.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tokio::time::Instant;

/// What was taken so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken(Arc<Mutex<Counts>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    count: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Taken {
    pub(super) fn one(&self) {
        let now = Instant::now();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.count += 1;
        counts.first.get_or_insert(now);
        counts.last = Some(now);
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// How many a second, from the first to the last.
    pub(super) fn rate(&self) -> Option<f64> {
        let counts = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = counts.last?.duration_since(counts.first?).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
        let others = counts.count.checked_sub(1).filter(|count| *count > 0)? as f64;
        Some(others / seconds)
    }
}

/// Listens on a free port of loopback until this program ends.
pub(super) fn listen(
    serve: impl Fn(TcpStream, &Taken) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<(SocketAddr, Taken)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, taken) = (listener.local_addr()?, Taken::default());
    let counting = taken.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (serve, taken) = (serve.clone(), counting.clone());
            // A client that breaks off ends its connection, and nothing else.
            thread::spawn(move || stream.set_nodelay(true).and_then(|()| serve(stream, &taken)));
        }
    });
    Ok((address, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_what_came_after_the_first() {
        let taken = Taken::default();
        assert_eq!((taken.count(), taken.rate()), (0, None));
        taken.one();
        assert_eq!((taken.count(), taken.rate()), (1, None));
        taken.one();
        assert!(taken.count() == 2 && taken.rate().is_some_and(|rate| rate > 0.0));
    }
}
