//! What the pipeline costs: the same load with nothing beside `api`, and with relay, Kafka and both projectors at work.

use super::{CATCH_UP_MAX, Flow, NAME, Pipeline};
use crate::{
    bench::{Bench, say},
    figures::{Goal, Sample},
    million::MODELS,
    usage,
    wrk::{Load, Requests},
};
use anyhow::Context as _;

/// Connections of the load.
const CONNECTIONS: u32 = 256;
/// Bookings with the pipeline on, of those without it.
const ON_GOAL: Goal = Goal::AtLeast(0.75);

/// Fills the log by a load that is not measured; it warms `api` up, too.
pub(super) async fn fill(bench: &mut Bench, flow: &Flow) -> anyhow::Result<()> {
    let events = flow.store.events_when_quiet().await?;
    let load = load(bench, flow).await?;
    check(bench, flow, "filling the log", &load, events).await
}

/// Without the pipeline, and with it; every other round the other way round.
pub(super) async fn off_and_on(bench: &mut Bench, flow: &Flow, nth: u32) -> anyhow::Result<()> {
    let (off, on) = if nth.is_multiple_of(2) {
        let on = with_pipeline(bench, flow).await?;
        (without(bench, flow).await?, on)
    } else {
        (without(bench, flow).await?, with_pipeline(bench, flow).await?)
    };
    say(&format!("{NAME}: {on:.0} bookings/s with the pipeline on, {off:.0} with it off"));
    bench.add(Sample::new(NAME, "bookings, pipeline off", "1/s", off));
    bench.add(Sample::new(NAME, "bookings, pipeline on", "1/s", on).against(Some(off)).goal(ON_GOAL));
    Ok(())
}

async fn without(bench: &mut Bench, flow: &Flow) -> anyhow::Result<f64> {
    let events = flow.store.events_when_quiet().await?;
    let load = load(bench, flow).await?;
    check(bench, flow, "pipeline off", &load, events).await?;
    Ok(load.rate())
}

async fn with_pipeline(bench: &mut Bench, flow: &Flow) -> anyhow::Result<f64> {
    let pipeline = flow.start().await?;
    flow.store.caught_up(CATCH_UP_MAX).await?;
    let events = flow.store.events_when_quiet().await?;
    let before = cpu(flow, &pipeline)?;
    let mut most = 0;
    let load = tokio::select! {
        load = load(bench, flow) => load?,
        failed = flow.store.watch_lag(&mut most) => {
            failed?;
            anyhow::bail!("watching the lag ended by itself");
        }
    };
    let caught_up = flow.store.caught_up(CATCH_UP_MAX).await?;
    // Until everything is where it belongs: what is still to do after the load is a cost of its bookings, too.
    for ((name, seconds), (_, before)) in cpu(flow, &pipeline)?.into_iter().zip(before) {
        let name = format!("CPU per booking: {name}");
        bench.add(Sample::new(NAME, &name, "µs", (seconds - before) * 1e6 / load.requests()));
    }
    bench.add(Sample::new(NAME, "CPU per booking: wrk", "µs", load.cpu_seconds * 1e6 / load.requests()));
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    bench.add(Sample::new(NAME, "read models: most lag during the load", "events", most as f64));
    bench.add(Sample::new(NAME, "read models: have all after", "s", caught_up.as_secs_f64()));
    check(bench, flow, "pipeline on", &load, events).await?;
    pipeline.stop().await?;
    Ok(load.rate())
}

/// CPU seconds so far, process by process.
fn cpu(flow: &Flow, pipeline: &Pipeline) -> anyhow::Result<Vec<(String, f64)>> {
    let kafka = flow.broker.node_pid(1)?.context("Kafka is gone")?;
    let mut cpu = vec![
        ("api".to_owned(), usage::cpu_of(flow.server.pid())?),
        ("relay".to_owned(), usage::cpu_of(pipeline.relay.pid())?),
    ];
    for (model, projector) in MODELS.into_iter().zip(&pipeline.projectors) {
        cpu.push((format!("project {model}"), usage::cpu_of(projector.pid())?));
    }
    cpu.push(("Postgres".to_owned(), usage::cpu_of_family(flow.store.postmaster())?));
    cpu.push(("Kafka".to_owned(), usage::cpu_of(kafka)?));
    Ok(cpu)
}

/// One load. What is stored of it is looked at by [`check`], when nothing is measured any more.
async fn load(bench: &mut Bench, flow: &Flow) -> anyhow::Result<Load> {
    let (file, lasting) = (bench.file("market.txt"), bench.plan.load());
    bench.wrk.run(&flow.server.url, Requests::Bookings(&file), CONNECTIONS, lasting).await
}

/// Holds a load against what the log has got since it had `before`.
async fn check(bench: &mut Bench, flow: &Flow, what: &str, load: &Load, before: i64) -> anyhow::Result<()> {
    let stored = flow.store.events_when_quiet().await? - before;
    bench.check(&format!("{NAME}, {what}"), load, stored, CONNECTIONS);
    Ok(())
}
