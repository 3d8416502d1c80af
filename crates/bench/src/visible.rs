//! From commit to visible: how long after a booking's 201 the availability read model shows it.
//!
//! A steady rate of bookings, sent whether or not earlier ones are answered (an open loop); every tenth is followed: as
//! soon as its 201 is there, its inventory's availability is asked for with its Consistency-Token, until the answer's
//! position covers it. What is measured is the time between these two answers, the round trip of the second included.

use crate::{
    bench::{Bench, say},
    figures::{Goal, Sample, quantile},
    holdfast::Server,
    market::Market,
};
use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

/// Bookings a second: moderate, so that what is seen is the way through the system and not a queue.
const BOOKINGS_PER_SECOND: u64 = 1_000;
/// Bookings that are sent before one is followed, in seconds: groups are joined, and connections made.
const WARM_UP_SECONDS: u64 = 2;
/// One of so many is followed.
const FOLLOWED: u64 = 10;
/// Requests under way at most; a server that stalls is noted instead of being buried.
const UNDER_WAY_MAX: usize = 1_000;
/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// How long a booking may stay invisible before the measurement is given up.
const VISIBLE_MAX: Duration = Duration::from_secs(10);
/// Milliseconds for 99 of a hundred bookings.
pub(crate) const VISIBLE_GOAL: Goal = Goal::AtMost(50.0);
/// The same when the read models are fed through Kafka, by processes of their own.
pub(crate) const THROUGH_KAFKA_GOAL: Goal = Goal::AtMost(150.0);

/// What a request needs.
struct Booker {
    http: Client,
    url: String,
    market: Market,
}

/// Where a booking is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    partition: u64,
    position: u64,
}

/// Measures it on a server with projectors, inside it or beside it: `who` they are.
pub(crate) async fn measure(
    bench: &mut Bench,
    who: &str,
    server: &Server,
    market: &Market,
    goal: Goal,
) -> anyhow::Result<()> {
    let http = Client::builder().timeout(REQUEST_MAX).pool_max_idle_per_host(UNDER_WAY_MAX).build()?;
    let booker = Arc::new(Booker { http, url: server.url.clone(), market: market.clone() });
    let (milliseconds, missed) =
        follow(&booker, (WARM_UP_SECONDS + bench.plan.load_seconds) * BOOKINGS_PER_SECOND).await?;
    let section = format!("{who}, from 201 to visible, {BOOKINGS_PER_SECOND} bookings/s");
    if missed > 0 {
        bench.find(format!(
            "{section}: {missed} bookings were not sent, because {UNDER_WAY_MAX} were under way"
        ));
    }
    let figure = |share| quantile(&milliseconds, share).context("no booking was followed");
    let (p50, p99) = (figure(0.50)?, figure(0.99)?);
    say(&format!("{section}: p50 {p50:.2} ms, p99 {p99:.2} ms of {}", milliseconds.len()));
    bench.add(Sample::new(&section, "p50", "ms", p50));
    bench.add(Sample::new(&section, "p99", "ms", p99).goal(goal));
    Ok(())
}

/// Sends the bookings at their rate. Returns the followed ones' milliseconds, sorted, and how many were not sent.
async fn follow(booker: &Arc<Booker>, bookings: u64) -> anyhow::Result<(Vec<f64>, u64)> {
    let mut tick = interval(Duration::from_micros(1_000_000 / BOOKINGS_PER_SECOND));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let (mut under_way, mut missed) = (JoinSet::new(), 0);
    for nth in 0..bookings {
        tick.tick().await;
        let Ok(place) = places.clone().try_acquire_owned() else {
            missed += 1;
            continue;
        };
        let booker = booker.clone();
        under_way.spawn(async move {
            let _place = place;
            booker.book(nth).await
        });
    }
    let mut milliseconds = Vec::new();
    while let Some(booked) = under_way.join_next().await {
        milliseconds.extend(booked??);
    }
    milliseconds.sort_by(f64::total_cmp);
    Ok((milliseconds, missed))
}

impl Booker {
    /// Books; a followed one waits until it is visible and returns how many milliseconds that took.
    async fn book(&self, nth: u64) -> anyhow::Result<Option<f64>> {
        let turn = usize::try_from(nth)?;
        let (tokens, inventories) = (&self.market.tokens, &self.market.inventories);
        let token = tokens.get(turn % tokens.len().max(1)).context("there are customers")?;
        let inventory = inventories.get(turn % inventories.len().max(1)).context("there are inventories")?;
        let answer = self
            .http
            .post(format!("{}/v1/bookings", self.url))
            .bearer_auth(token)
            .header("Idempotency-Key", format!("visible-{nth}"))
            .json(&json!({"inventory_id": inventory, "quantity": 1}))
            .send()
            .await?;
        ensure!(answer.status() == StatusCode::CREATED, "a booking was answered {}", answer.status());
        let booked = Instant::now();
        let token =
            answer.headers().get("consistency-token").context("no Consistency-Token")?.to_str()?.to_owned();
        answer.bytes().await?;
        if nth < WARM_UP_SECONDS * BOOKINGS_PER_SECOND || !nth.is_multiple_of(FOLLOWED) {
            return Ok(None);
        }
        let place = token.parse().context("an unreadable Consistency-Token")?;
        while booked.elapsed() < VISIBLE_MAX {
            if self.availability(inventory, &token).await?.covers(place) {
                return Ok(Some(booked.elapsed().as_secs_f64() * 1e3));
            }
        }
        bail!("a booking was not visible after {VISIBLE_MAX:?}")
    }

    /// What the read model's answer is true for.
    async fn availability(&self, inventory: &str, token: &str) -> anyhow::Result<Place> {
        let url = format!("{}/v1/inventories/{inventory}/availability", self.url);
        let answer =
            self.http.get(url).header("Consistency-Token", token).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        let position =
            answer.get("position").and_then(Value::as_str).context("no position in the availability")?;
        position.parse()
    }
}

impl Place {
    fn covers(self, other: Self) -> bool {
        self.partition == other.partition && self.position >= other.position
    }
}

impl std::str::FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (partition, position) =
            text.split_once('-').with_context(|| format!("no place in the log: {text}"))?;
        Ok(Self { partition: partition.parse()?, position: position.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_covers_what_is_before_it_in_its_own_partition() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert!(place("7-12").covers(place("7-12")) && place("7-13").covers(place("7-12")));
        assert!(!place("7-11").covers(place("7-12")) && !place("8-99").covers(place("7-12")));
        assert!("7".parse::<Place>().is_err());
    }
}
