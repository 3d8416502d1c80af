//! Mails and webhooks: what one costs, how many go to a fast SMTP server, and what is left for bookings while many wait.
//!
//! A round, on a fresh data folder: `api` alone takes bookings, so that nothing is sent meanwhile; then `notify`, as a
//! process of its own, queues and sends all of it, into a folder, to an SMTP server and to a webhook endpoint that take
//! everything. Between them the usual load on `up`, without mails and while mails wait. What arrived is compared with what was booked.

mod http_sink;
mod smtp_client;
mod smtp_sink;
mod wire;

use crate::{
    bench::{Bench, say},
    client::Api,
    figures::{Goal, Sample},
    holdfast::{Holdfast, Role, Server},
    market::Market,
    store::Store,
    usage,
    wrk::{Load, Requests},
};
use anyhow::{Context as _, ensure};
use http_sink::HttpSink;
use serde_json::json;
use smtp_sink::SmtpSink;
use std::{fs, time::Duration};
use tokio::time::{Instant, sleep};

/// CPU of holdfast and Postgres for one mail into a folder, from its event to its record.
const FOLDER_GOAL: Goal = Goal::AtMost(250.0);
/// Mails a second to an SMTP server that takes them at once.
const SMTP_GOAL: Goal = Goal::AtLeast(2_000.0);
/// Bookings a second while mails wait, as a share of those without.
const BOOKINGS_GOAL: Goal = Goal::AtLeast(0.9);
/// CPU of holdfast and Postgres for one webhook, from its event to its record.
const WEBHOOK_GOAL: Goal = Goal::AtMost(300.0);
/// Connections of the loads.
const CONNECTIONS: u32 = 64;
/// How long a notifier may take to send everything.
const SENT_MAX: Duration = Duration::from_secs(600);
/// How long the read models may take to catch up.
const CATCH_UP_MAX: Duration = Duration::from_secs(180);
/// Between two looks whether everything is sent.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What mails wait in.
const MAILS: &str = "mails";
/// What webhooks wait in.
const WEBHOOKS: &str = "webhook_deliveries";

/// What runs, and who books what.
struct Scene {
    holdfast: Holdfast,
    /// Each booking is confirmed at once, and a mail is owed for it.
    sold: Market,
    /// Each booking is a hold, for which no mail is owed.
    held: Market,
}

/// One round of everything.
pub(crate) async fn round(bench: &mut Bench) -> anyhow::Result<()> {
    let scene = scene(bench).await?;
    into_a_folder(bench, &scene).await?;
    by_smtp(bench, &scene).await?;
    beside_bookings(bench, &scene).await?;
    webhooks(bench, &scene).await
}

/// `up` makes the system, and opens its mails.
async fn scene(bench: &mut Bench) -> anyhow::Result<Scene> {
    let holdfast = bench.fresh().await?;
    let up = holdfast.serve(Role::Up).await?;
    let held = Market::open(&holdfast, &up).await?;
    let sold = held.sold_at_once(&holdfast, &up).await?;
    up.stop().await?;
    Ok(Scene { holdfast, sold, held })
}

/// Takes at least `count` bookings by a server that sends nothing. Returns how many there are now.
async fn book(
    bench: &mut Bench,
    server: &Server,
    store: &Store,
    market: &Market,
    count: i64,
) -> anyhow::Result<i64> {
    let file = bench.file("market.txt");
    market.write(&file)?;
    let before = store.events_when_quiet().await?;
    loop {
        let second = Duration::from_secs(1);
        let load = bench.wrk.run(&server.url, Requests::Bookings(&file), CONNECTIONS, second).await?;
        let booked = store.events_when_quiet().await? - before;
        ensure!(load.refused + load.failed == 0, "bookings were refused while mails were prepared");
        if booked >= count {
            return Ok(booked);
        }
    }
}

/// What a notifier took to send all that is owed.
struct Sent {
    count: i64,
    holdfast: f64,
    postgres: f64,
}

/// Books, and then sends what is owed for it by a notifier with these words.
async fn sent(
    bench: &mut Bench,
    scene: &Scene,
    market: &Market,
    words: &[&str],
    queue: &str,
) -> anyhow::Result<Sent> {
    let server = scene.holdfast.serve(Role::Api).await?;
    let store = bench.store(&scene.holdfast).await?;
    let count = bench.plan.mails;
    let count = book(bench, &server, &store, market, count).await?;
    store.tidy().await?;
    let before = (usage::cpu_of_family(store.postmaster())?, store.delivered(queue).await?);
    let words = [&["notify", "--source", "log"], words].concat();
    let notifier = scene.holdfast.work(&words, "").await?;
    let began = Instant::now();
    while !store.is_notified(queue).await? {
        ensure!(began.elapsed() < SENT_MAX, "{queue}: not everything was sent within {SENT_MAX:?}");
        sleep(LOOK_EVERY).await;
    }
    let holdfast = usage::cpu_of(notifier.pid())?;
    let postgres = usage::cpu_of_family(store.postmaster())? - before.0;
    let delivered = store.delivered(queue).await? - before.1;
    if delivered != count {
        bench.find(format!("{queue}: {count} are owed and {delivered} are delivered"));
    }
    notifier.stop().await?;
    store.close().await;
    server.stop().await?;
    Ok(Sent { count, holdfast, postgres })
}

fn add_cpu(bench: &mut Bench, section: &str, each: &str, sent: &Sent, goal: Option<Goal>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let per = |seconds: f64| seconds * 1e6 / sent.count.max(1) as f64;
    let both = per(sent.holdfast + sent.postgres);
    for (name, seconds) in [("holdfast", sent.holdfast), ("Postgres", sent.postgres)] {
        let name = format!("CPU per {each}: {name}");
        bench.add(Sample::new(section, &name, "µs", per(seconds)));
    }
    let name = format!("CPU per {each}: both");
    let sample = Sample::new(section, &name, "µs", both);
    bench.add(goal.into_iter().fold(sample, Sample::goal));
    both
}

async fn into_a_folder(bench: &mut Bench, scene: &Scene) -> anyhow::Result<()> {
    let folder = bench.folder().canonicalize()?.join("mails");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let path = folder.to_str().context("the folder's name is not text")?;
    let sent = sent(bench, scene, &scene.sold, &["--mail-folder", path], MAILS).await?;
    let files = fs::read_dir(&folder)?.count();
    if i64::try_from(files) != Ok(sent.count) {
        bench.find(format!("mails into a folder: {} are owed and {files} files are there", sent.count));
    }
    fs::remove_dir_all(&folder)?;
    let section = "mails into a folder";
    let both = add_cpu(bench, section, "mail", &sent, Some(FOLDER_GOAL));
    say(&format!("{section}: {both:.0} µs of CPU for each of {}", sent.count));
    Ok(())
}

async fn by_smtp(bench: &mut Bench, scene: &Scene) -> anyhow::Result<()> {
    let yardstick = SmtpSink::start()?;
    let mails = usize::try_from(bench.plan.mails)?;
    let (address, connections) = (yardstick.address, usize::from(smtp_client::CONNECTIONS));
    tokio::task::spawn_blocking(move || smtp_client::send(address, connections, mails)).await??;
    let possible = yardstick.rate().context("the yardstick's client sent nothing")?;

    let sink = SmtpSink::start()?;
    let url = format!("smtp://{}", sink.address);
    let sent = sent(bench, scene, &scene.sold, &["--smtp-url", &url], MAILS).await?;
    let taken = sink.taken();
    if i64::try_from(taken) != Ok(sent.count) {
        bench.find(format!("mails by SMTP: {} are owed and {taken} arrived", sent.count));
    }
    let section = "mails by SMTP to a server on loopback that takes them at once";
    let rate = sink.rate().context("no mails arrived")?;
    bench.add(Sample::new(section, "mails", "1/s", rate).goal(SMTP_GOAL));
    bench.add(Sample::new(section, "a client that only sends", "1/s", possible));
    bench.add(Sample::new(section, "mails ÷ a client that only sends", "", rate / possible));
    let both = add_cpu(bench, section, "mail", &sent, None);
    say(&format!("{section}: {rate:.0}/s (only sending: {possible:.0}/s), {both:.0} µs of CPU each"));
    Ok(())
}

async fn webhooks(bench: &mut Bench, scene: &Scene) -> anyhow::Result<()> {
    let sink = HttpSink::start()?;
    let up = scene.holdfast.serve(Role::UpWithPrivateWebhooks).await?;
    let api = Api::of(&up)?;
    let admin = api.sign_in_admin(&scene.holdfast).await?;
    let endpoint = json!({"url": sink.url, "event_types": ["booking.held.v1"]});
    api.post("/v1/webhook-endpoints", Some((&admin, "bench-endpoint".to_owned())), endpoint).await?;
    up.stop().await?;
    let sent = sent(bench, scene, &scene.held, &["--webhooks-allow-private"], WEBHOOKS).await?;
    let taken = sink.taken();
    if i64::try_from(taken) != Ok(sent.count) {
        bench.find(format!("webhooks: {} are owed and {taken} arrived", sent.count));
    }
    let section = "webhooks to one endpoint on loopback that takes them at once";
    let both = add_cpu(bench, section, "webhook", &sent, Some(WEBHOOK_GOAL));
    say(&format!("{section}: {both:.0} µs of CPU for each of {}", sent.count));
    Ok(())
}

/// The usual load on `up`, without mails and while mails wait. Its own bookings are holds, for which
/// no mail is owed.
async fn beside_bookings(bench: &mut Bench, scene: &Scene) -> anyhow::Result<()> {
    let without = load(bench, scene, None).await?;
    let api = scene.holdfast.serve(Role::Api).await?;
    let store = bench.store(&scene.holdfast).await?;
    let waiting = bench.plan.mails_waiting;
    book(bench, &api, &store, &scene.sold, waiting).await?;
    store.close().await;
    api.stop().await?;
    let (mut before, mut after) = (0, 0);
    let with = load(bench, scene, Some((&mut before, &mut after))).await?;
    let section = format!("bookings beside mails, up, {CONNECTIONS} connections");
    say(&format!(
        "{section}: {:.0}/s without, {:.0}/s with {before} mails waiting, {after} at the end",
        without.rate(),
        with.rate()
    ));
    bench.add(Sample::new(&section, "bookings, without mails", "1/s", without.rate()));
    let beside = Sample::new(&section, "bookings, with mails waiting", "1/s", with.rate());
    bench.add(beside.against(Some(without.rate())).goal(BOOKINGS_GOAL));
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    for (name, mails) in [("mails waiting at the beginning", before), ("mails waiting at the end", after)] {
        bench.add(Sample::new(&section, name, "", mails as f64));
    }
    bench.add(Sample::new(&section, "answered after, p99, without mails", "ms", without.p99));
    bench.add(Sample::new(&section, "answered after, p99, with mails waiting", "ms", with.p99));
    Ok(())
}

/// One load on `up`, when its read models have everything; with `waiting`, how many mails wait before and after.
async fn load(
    bench: &mut Bench,
    scene: &Scene,
    waiting: Option<(&mut i64, &mut i64)>,
) -> anyhow::Result<Load> {
    let file = bench.file("market.txt");
    scene.held.write(&file)?;
    let server = scene.holdfast.serve(Role::Up).await?;
    let store = bench.store(&scene.holdfast).await?;
    store.caught_up(CATCH_UP_MAX).await?;
    store.notified(CATCH_UP_MAX).await?;
    bench.wrk.run(&server.url, Requests::Bookings(&file), CONNECTIONS, bench.plan.warm_up()).await?;
    let before = store.waiting(MAILS).await?;
    let load = bench.wrk.run(&server.url, Requests::Bookings(&file), CONNECTIONS, bench.plan.load()).await?;
    if let Some((waiting_before, waiting_after)) = waiting {
        (*waiting_before, *waiting_after) = (before, store.waiting(MAILS).await?);
    }
    if load.refused + load.failed > 0 {
        bench.find(format!("bookings beside mails: {} were refused, {} failed", load.refused, load.failed));
    }
    store.close().await;
    server.stop().await?;
    Ok(load)
}
