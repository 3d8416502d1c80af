//! A proxy between a client and Postgres, which loses what a test says.
//!
//! It understands enough of the wire protocol to know which SQL each message makes the server run. So a test can say
//! "the answer to the next COMMIT is lost": the server gets the COMMIT, runs it to its end, and then the connection is
//! cut with the answer undelivered. That is the one fault after which a client cannot know what happened.
//!
//! Guarantee: every control holds from the next message and the next connection on; only a message that is being
//! passed on while the control is called may still arrive. A client that asks for TLS is declined.

mod faults;
mod link;
mod statements;
mod wire;

use std::{
    fs,
    os::unix::net::UnixListener as StdListener,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpStream, UnixListener, UnixStream},
    task::AbortHandle,
};

use faults::{Faults, Lose};

/// A proxy in front of one server, listening on a unix socket of its own. Everything ends with this value.
#[derive(Debug)]
pub struct Proxy {
    options: PgConnectOptions,
    upstream: Upstream,
    faults: Arc<Faults>,
    folder: TempDir,
    accepting: Mutex<Option<AbortHandle>>,
}

/// Where the server listens.
#[derive(Debug, Clone)]
enum Upstream {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl Proxy {
    /// A proxy that passes everything to the server of `options`, until told otherwise.
    pub fn before(options: &PgConnectOptions) -> Self {
        let socket_name = format!(".s.PGSQL.{}", options.get_port());
        let upstream = match options.get_socket() {
            Some(folder) => Upstream::Unix(folder.join(&socket_name)),
            None => Upstream::Tcp(options.get_host().to_owned(), options.get_port()),
        };
        let folder =
            tempfile::Builder::new().prefix("holdfast-proxy-").tempdir().expect("a temporary folder");
        let options = options.clone().socket(folder.path()).ssl_mode(PgSslMode::Disable);
        let proxy = Self { options, upstream, faults: Arc::default(), folder, accepting: Mutex::default() };
        proxy.listen();
        proxy
    }

    /// How to connect through it.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// The same as a URL, for another process.
    pub fn url(&self) -> String {
        self.options.to_url_lossy().to_string()
    }

    /// Lets everything pass again: forgets what was to be lost, ends [`Self::stall`] and [`Self::refuse`].
    pub fn pass(&self) {
        self.faults.clear();
        if self.accepting.lock().unwrap().is_none() {
            self.listen();
        }
    }

    /// Holds every byte back in both directions; connections stay open, new ones get no greeting.
    pub fn stall(&self) {
        self.faults.stall();
    }

    /// Cuts the connections that are open now. The server goes on with what it has already received.
    pub fn cut(&self) {
        self.faults.cut();
    }

    /// Refuses new connections ("connection refused", as if no server were there); open ones go on.
    pub fn refuse(&self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
            // A socket that nobody listens to any more: the file stays, so clients are refused at once.
            drop(self.bind());
        }
    }

    /// Loses one answer: to the next statement whose SQL `matches`. The server runs it, then the connection is cut.
    ///
    /// ```no_run
    /// # fn test(proxy: holdfast_testkit::Proxy) {
    /// proxy.lose_next_answer(|sql| sql == "COMMIT");
    /// # }
    /// ```
    pub fn lose_next_answer(&self, matches: impl FnMut(&str) -> bool + Send + 'static) {
        self.faults.add(Lose::Answer, true, Box::new(matches));
    }

    /// Loses the answer to every statement whose SQL `matches`, cutting its connection each time.
    pub fn lose_answers(&self, matches: impl FnMut(&str) -> bool + Send + 'static) {
        self.faults.add(Lose::Answer, false, Box::new(matches));
    }

    /// Cuts the connection instead of passing on a statement whose SQL `matches`: the server never runs it.
    pub fn lose_requests(&self, matches: impl FnMut(&str) -> bool + Send + 'static) {
        self.faults.add(Lose::Request, false, Box::new(matches));
    }

    /// How many statements have lost their request or their answer so far.
    pub fn losses(&self) -> u64 {
        self.faults.losses()
    }

    fn bind(&self) -> StdListener {
        let socket = self.folder.path().join(format!(".s.PGSQL.{}", self.options.get_port()));
        let _ = fs::remove_file(&socket);
        StdListener::bind(&socket).expect("a socket in our own folder")
    }

    fn listen(&self) {
        let listener = self.bind();
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let listener = UnixListener::from_std(listener).expect("a Tokio runtime runs this test");
        let accepting = tokio::spawn(accept(listener, self.upstream.clone(), Arc::clone(&self.faults)));
        *self.accepting.lock().unwrap() = Some(accepting.abort_handle());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.cut();
    }
}

/// Gives each new client a connection of its own to the server; none if the server refuses.
async fn accept(listener: UnixListener, upstream: Upstream, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        let (upstream, faults) = (upstream.clone(), Arc::clone(&faults));
        let cut = faults.cuts();
        tokio::spawn(async move {
            let ended = match upstream {
                Upstream::Unix(path) => link::run(client, UnixStream::connect(path), &faults, cut).await,
                Upstream::Tcp(host, port) => {
                    link::run(client, TcpStream::connect((host, port)), &faults, cut).await
                }
            };
            // A connection ends with an error whenever one side just goes away, which is what these tests are about.
            drop(ended);
        });
    }
}
