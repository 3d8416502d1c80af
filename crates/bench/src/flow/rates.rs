//! Events a second of each part by itself, over a log that is there already.
//!
//! A rate is taken from the first events that are seen at the other end to the last, so neither the start of a process
//! nor the making of a topic is in it.

use super::{Flow, NAME};
use crate::{
    bench::{Bench, say},
    figures::Sample,
};
use anyhow::ensure;
use holdfast_messaging::{
    EVENTS, EventsTopic,
    testing::{Counter, produce},
};
use std::time::Duration;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// How long one part may take over the whole log.
const WHOLE_LOG_MAX: Duration = Duration::from_secs(300);
/// Between two looks at how far it is: a hundredth of what the shortest one takes.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Events that librdkafka writes by itself: they are all in memory, as records, before it begins.
const ALONE_EVENTS_MAX: i64 = 100_000;
/// The topic that it writes them into.
const ALONE_TOPIC: &str = "holdfast.bench.alone";

/// The relay on the whole log, and librdkafka's producer with equal records just after it.
pub(super) async fn relay(bench: &mut Bench, flow: &Flow) -> anyhow::Result<()> {
    let log = flow.store.log().await?;
    let events = flow.store.events().await?;
    let counter = Counter::new(&flow.kafka, EVENTS, log.partitions)?;
    let relay = flow.relay().await?;
    let relayed = rate(events, async || Ok(counter.records()?)).await?;
    relay.stop().await?;

    let topic = EventsTopic::open(&flow.kafka, &flow.topic(Some(ALONE_TOPIC))?, log.partitions).await?;
    let records = flow.store.first_events(ALONE_EVENTS_MAX).await?;
    let count = records.len();
    let took = spawn_blocking(move || produce(&topic, log.log_id, &records)).await??;
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let alone = count as f64 / took.as_secs_f64();
    say(&format!("{NAME}: relay {relayed:.0} events/s, librdkafka alone {alone:.0}"));
    bench.add(Sample::new(NAME, "librdkafka's producer alone, equal records", "events/s", alone));
    bench.add(Sample::new(NAME, "relay, from position 1", "events/s", relayed).against(Some(alone)));
    Ok(())
}

/// One projector on the whole log, from the log and from Kafka.
pub(super) async fn projector(bench: &mut Bench, flow: &Flow, model: &str) -> anyhow::Result<()> {
    let events = flow.store.events().await?;
    let mut rates = Vec::new();
    for source in ["log", "kafka"] {
        flow.store.forget(model).await?;
        let projector = flow.projector(model, source).await?;
        rates.push(rate(events, async || Ok(flow.store.folded(model).await)).await?);
        projector.stop().await?;
    }
    let [from_log, from_kafka] = rates[..] else { anyhow::bail!("there are two sources") };
    say(&format!("{NAME}: project {model}: from the log {from_log:.0} events/s, from Kafka {from_kafka:.0}"));
    let from = |source| format!("project {model} from {source}, from position 1");
    bench.add(Sample::new(NAME, &from("the log"), "events/s", from_log));
    bench.add(Sample::new(NAME, &from("Kafka"), "events/s", from_kafka).against(Some(from_log)));
    Ok(())
}

/// Events a second, from the first that are `seen` until `all` are.
async fn rate(all: i64, mut seen: impl AsyncFnMut() -> anyhow::Result<i64>) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut first: Option<(Instant, i64)> = None;
    loop {
        let now = seen().await?;
        match first {
            None if now > 0 => first = Some((Instant::now(), now)),
            Some((at, before)) if now >= all => {
                ensure!(now > before, "the log is too short to measure with: {all} events");
                #[expect(clippy::cast_precision_loss, reason = "some millions")]
                return Ok((now - before) as f64 / at.elapsed().as_secs_f64());
            }
            _ => {}
        }
        ensure!(began.elapsed() < WHOLE_LOG_MAX, "{now} of {all} events after {WHOLE_LOG_MAX:?}");
        sleep(LOOK_EVERY).await;
    }
}
