//! What the tests of the broker share: options with the jars that `scripts/test` has fetched, and waiting.

use std::{env, path::Path, time::Duration};

use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions, Nodes};
use tokio::time::{Instant, sleep};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long a condition may take to come true: what we wait for takes a second or two.
const UNTIL_MAX: Duration = Duration::from_secs(60);

/// Options for so many nodes, with a heap that lets several tests run beside each other.
pub(crate) fn options(nodes: Nodes) -> Result<BrokerOptions> {
    if env::var_os("HOLDFAST_KAFKA_LIBS").is_none() {
        return Err("these tests need Kafka's jars: run them by scripts/test, which fetches them".into());
    }
    Ok(BrokerOptions { nodes, heap_mib: 192, ..BrokerOptions::default() })
}

/// A broker with the machine's own chance.
pub(crate) async fn start(folder: &Path, nodes: Nodes) -> Result<Broker> {
    Ok(Broker::start(folder, &options(nodes)?, &Machine).await?)
}

/// Asks until there is an answer, for a minute at most.
pub(crate) async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + UNTIL_MAX;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() > end {
            return Err(format!("waited in vain until {what}").into());
        }
        sleep(Duration::from_millis(5)).await;
    }
}
