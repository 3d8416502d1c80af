//! The way through Kafka: `api`, `relay` and both projectors as processes of their own, one broker beside them.
//!
//! A round, on a fresh data folder and a fresh broker: the log is filled by `api` alone; the relay copies it into the
//! topic, and librdkafka alone writes equal records into another; each projector folds it from zero, from the log and
//! from Kafka; then the same load without and with the whole pipeline, and from commit to visible.

mod cost;
mod rates;

use crate::{
    bench::{Bench, say},
    holdfast::{Holdfast, Role, Server, Worker},
    market::Market,
    million::MODELS,
    store::Store,
    visible,
};
use holdfast_broker::Broker;
use holdfast_messaging::{EVENTS, Kafka};
use std::time::Duration;

/// As it stands in the report.
const NAME: &str = "through Kafka";
/// How long the read models may take to catch up after a load of seconds.
const CATCH_UP_MAX: Duration = Duration::from_secs(180);

/// What runs, and where.
struct Flow {
    holdfast: Holdfast,
    server: Server,
    store: Store,
    market: Market,
    broker: Broker,
    kafka: Kafka,
}

/// Everything between the log and the read models.
struct Pipeline {
    relay: Worker,
    projectors: Vec<Worker>,
}

/// One round of everything.
pub(crate) async fn round(bench: &mut Bench, nth: u32) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    let broker = bench.fresh_broker().await?;
    // Only `up` makes a new system, with its first admin; the api role finds one.
    let up = holdfast.serve(Role::Up).await?;
    let market = Market::open(&holdfast, &up).await?;
    up.stop().await?;
    let server = holdfast.serve(Role::Api).await?;
    let store = bench.store(&holdfast).await?;
    let kafka = Kafka::new(&broker.bootstrap(), [])?;
    let flow = Flow { holdfast, server, store, market, broker, kafka };
    let outcome = measure(bench, &flow, nth).await;
    let Flow { server, store, broker, .. } = flow;
    store.close().await;
    server.stop().await?;
    broker.stop().await?;
    outcome
}

async fn measure(bench: &mut Bench, flow: &Flow, nth: u32) -> anyhow::Result<()> {
    flow.market.write(&bench.file("market.txt"))?;
    cost::fill(bench, flow).await?;
    rates::relay(bench, flow).await?;
    for model in MODELS {
        rates::projector(bench, flow, model).await?;
    }
    cost::off_and_on(bench, flow, nth).await?;
    let pipeline = flow.start().await?;
    flow.store.caught_up(CATCH_UP_MAX).await?;
    let goal = visible::THROUGH_KAFKA_GOAL;
    visible::measure(bench, NAME, &flow.server, &flow.market, goal).await?;
    flow.store.caught_up(CATCH_UP_MAX).await?;
    pipeline.stop().await?;
    let brokers = flow.broker.bootstrap();
    let verified = flow.holdfast.run(&["verify", "--topic", "--kafka-brokers", &brokers]).await?;
    say(&format!("{NAME}: {}", verified.trim().replace('\n', "; ")));
    Ok(())
}

impl Flow {
    /// Starts the relay and both projectors.
    async fn start(&self) -> anyhow::Result<Pipeline> {
        let relay = self.relay().await?;
        let mut projectors = Vec::new();
        for model in MODELS {
            projectors.push(self.projector(model, "kafka").await?);
        }
        Ok(Pipeline { relay, projectors })
    }

    async fn relay(&self) -> anyhow::Result<Worker> {
        self.holdfast.work(&["relay"], &self.broker.bootstrap()).await
    }

    async fn projector(&self, model: &str, source: &str) -> anyhow::Result<Worker> {
        self.holdfast.work(&["project", model, "--source", source], &self.broker.bootstrap()).await
    }

    /// The topic of the contract, under another name if one is given.
    fn topic(&self, name: Option<&str>) -> anyhow::Result<holdfast_messaging::Topic> {
        let topics = holdfast_messaging::topics()?;
        let events = topics.into_iter().find(|topic| topic.name == EVENTS);
        let mut events = anyhow::Context::context(events, "kafka/topics.toml lacks the topic of the events")?;
        if let Some(name) = name {
            name.clone_into(&mut events.name);
        }
        Ok(events)
    }
}

impl Pipeline {
    /// Ends all of them in good order.
    async fn stop(self) -> anyhow::Result<()> {
        for worker in self.projectors {
            worker.stop().await?;
        }
        self.relay.stop().await
    }
}
