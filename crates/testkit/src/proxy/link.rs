//! One client's connection through the proxy: two loops that pass messages, until either ends or the link is cut.
//!
//! Every request that ends in Sync (or is a simple query) is answered by one ReadyForQuery. Counting both sides tells
//! which messages of the server answer which statement, so exactly one answer is lost, and it is lost after the
//! server has finished: its ReadyForQuery has come.

use std::{
    io::Result,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split},
    net::UnixStream,
    sync::watch,
};

use super::{
    faults::{Faults, Lose},
    statements::Statements,
    wire::Message,
};

/// The answer that is to be lost, by its number; 0 means none.
#[derive(Debug, Default)]
struct Doomed(AtomicU64);

/// Passes messages between `client` and the server, until one of them ends the connection or a fault does.
pub(super) async fn run<S: AsyncRead + AsyncWrite>(
    mut client: UnixStream,
    connecting: impl Future<Output = Result<S>>,
    faults: &Faults,
    mut cut: watch::Receiver<u64>,
) -> Result<()> {
    let pass = async {
        faults.flowing().await;
        let (from_server, mut to_server) = split(connecting.await?);
        greet(&mut client, &mut to_server, faults).await?;
        let (from_client, to_client) = client.split();
        let doomed = Doomed::default();
        tokio::select! {
            ended = requests(BufReader::new(from_client), to_server, faults, &doomed) => ended,
            ended = answers(BufReader::new(from_server), to_client, faults, &doomed) => ended,
        }
    };
    tokio::select! {
        // Once cut, not one byte more.
        biased;
        _ = cut.changed() => Ok(()),
        ended = pass => ended,
    }
}

/// Passes the first message; declines encryption, which the proxy could not read.
async fn greet(
    client: &mut UnixStream,
    server: &mut (impl AsyncWrite + Unpin),
    faults: &Faults,
) -> Result<()> {
    loop {
        let first = Message::read_first(client).await?;
        faults.flowing().await;
        if !first.asks_for_encryption() {
            return server.write_all(&first.bytes).await;
        }
        client.write_all(b"N").await?;
    }
}

async fn requests(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    faults: &Faults,
    doomed: &Doomed,
) -> Result<()> {
    let mut statements = Statements::default();
    // The first message is answered by a ReadyForQuery too.
    let mut answers_owed = 1;
    loop {
        let message = Message::read(&mut client).await?;
        faults.flowing().await;
        match statements.run_by(&message).and_then(|sql| faults.verdict(&sql)) {
            Some(Lose::Request) => {
                faults.count_loss();
                return Ok(());
            }
            // Its answer is the next one that is owed, by itself or by the Sync that follows it.
            Some(Lose::Answer) => doomed.0.store(answers_owed + 1, Ordering::SeqCst),
            None => {}
        }
        // Query, Sync, FunctionCall.
        if matches!(message.tag, b'Q' | b'S' | b'F') {
            answers_owed += 1;
        }
        server.write_all(&message.bytes).await?;
        server.flush().await?;
    }
}

async fn answers(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    faults: &Faults,
    doomed: &Doomed,
) -> Result<()> {
    let mut nth = 1;
    loop {
        let message = Message::read(&mut server).await?;
        let is_lost = doomed.0.load(Ordering::SeqCst) == nth;
        // ReadyForQuery: the server has finished, and committed what there was to commit.
        let is_last = message.tag == b'Z';
        if is_lost && is_last {
            faults.count_loss();
            return Ok(());
        }
        if !is_lost {
            faults.flowing().await;
            client.write_all(&message.bytes).await?;
            client.flush().await?;
        }
        nth += u64::from(is_last);
    }
}
