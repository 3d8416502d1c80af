//! `holdfast status`: how far the topic, the read models and the notifier are, and who does the work.
//!
//! The topic's positions are read from Kafka where a broker is named and answers; else they are what the relays last told,
//! and it says so. Anything else is Postgres's, at one moment.

mod table;

use crate::config::{Access, KafkaAccess};
use crate::first_admin;
use crate::models::FOLLOWERS;
use crate::out;
use crate::roles::relay::events_topic;
use crate::system::System;
use anyhow::{Context as _, anyhow};
use clap::Args;
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_api::FollowerHealth;
use holdfast_domain::Timestamp;
use holdfast_event_log::{Identity, Owner, identity, owners};
use holdfast_messaging::{EventsTopic, Kafka};
use holdfast_projector::{Flow, Seen};
use holdfast_relay::{RelayLease, relay_leases};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What we were doing when Postgres did not.
const NOT_READ: &str =
    "the log could not be read; `holdfast migrate` makes it where it is missing or older than this program";

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    kafka: KafkaAccess,
    /// For machines: everything, as one JSON object.
    #[arg(long)]
    json: bool,
    /// Every partition, also of a log that has many.
    #[arg(long)]
    all: bool,
}

/// Where the topic's positions are from.
enum TopicSource {
    /// The topic on this cluster.
    Kafka(String),
    /// What the relays told.
    Told {
        /// Why not Kafka, if it was asked.
        instead: Option<String>,
    },
}

/// A follower, for machines.
#[derive(Serialize)]
struct ShownFollower<'a> {
    #[serde(flatten)]
    health: FollowerHealth,
    /// The last position it has of each partition; none: it is not there.
    positions: Option<&'a [i64]>,
}

/// What there is to say.
struct Report {
    log: Identity,
    seen: Seen,
    now: Timestamp,
    topic: TopicSource,
    owners: Vec<Owner>,
    relays: Vec<RelayLease>,
    /// The file with the first admin's password, while that opens the account.
    first_password: Option<PathBuf>,
}

pub(crate) async fn run(status: &Status) -> anyhow::Result<()> {
    let kafka = status.kafka.kafka_of(&status.access)?;
    let report = System::with(&status.access, async |system| Report::of(system, kafka.as_ref()).await);
    let Some(report) = report.await? else { return Ok(()) };
    match status.json {
        true => out::line(report.json()),
        false => report.lines(status.all).iter().for_each(out::line),
    }
    Ok(())
}

impl Report {
    async fn of(system: &System, kafka: Option<&Kafka>) -> anyhow::Result<Self> {
        let pool = &system.pool;
        let log = identity(pool).await.context(NOT_READ)?;
        // The topic first: read later than the log, it may seem ahead of it.
        let (positions, topic) = match kafka {
            None => (None, TopicSource::Told { instead: None }),
            Some(kafka) => match topic_ends(kafka, log).await {
                Ok(ends) => (Some(ends), TopicSource::Kafka(kafka.address().to_owned())),
                Err(error) => (None, TopicSource::Told { instead: Some(error.to_string()) }),
            },
        };
        let (flow, now) = (Flow::new(pool, FOLLOWERS), Machine.now());
        let seen = match positions {
            Some(positions) => flow.look_with_topic(now, &positions).await,
            None => flow.look(now).await,
        };
        let (owners, relays) = tokio::try_join!(owners(pool), relay_leases(pool)).context(NOT_READ)?;
        let first_password = match system.folder() {
            Some(data) => first_admin::unchanged(pool, data).await?,
            None => None,
        };
        Ok(Self { log, seen: seen.context(NOT_READ)?, now, topic, owners, relays, first_password })
    }

    fn events(&self) -> i64 {
        self.seen.heads.iter().sum()
    }

    fn json(&self) -> Value {
        let followers = self.seen.followers.iter().map(|follower| ShownFollower {
            health: FollowerHealth::from(follower),
            positions: follower.standing.as_ref().map(|standing| standing.positions.as_slice()),
        });
        let owners = self.owners.iter().map(|owner| {
            json!({"owner_address": owner.owner_address, "partitions": owner.partitions, "lease_seconds": owner.lease_seconds})
        });
        let relays = self.relays.iter().map(|relay| {
            json!({"relay_id": relay.relay_id, "partitions": relay.partitions, "lease_seconds": relay.lease_seconds})
        });
        let (from, instead) = match &self.topic {
            TopicSource::Kafka(_) => ("kafka", None),
            TopicSource::Told { instead } => ("told", instead.as_deref()),
        };
        json!({
            "log_id": self.log.log_id, "partitions": self.log.partitions, "events": self.events(),
            "positions": self.seen.heads, "followers": followers.collect::<Vec<_>>(),
            "topic_from": from, "topic_told_at": self.told_at(), "kafka_problem": instead,
            "first_admin_password_unchanged": self.first_password.is_some(),
            "owners": owners.collect::<Vec<_>>(), "relays": relays.collect::<Vec<_>>(),
        })
    }

    /// When the topic's positions last changed, if they are what was told.
    fn told_at(&self) -> Option<Timestamp> {
        self.seen.followers.iter().find_map(|follower| follower.standing.as_ref()?.told_at)
    }
}

/// The last position in each partition of the topic, read from it.
async fn topic_ends(kafka: &Kafka, log: Identity) -> anyhow::Result<Vec<i64>> {
    let topic = EventsTopic::find(kafka, &events_topic()?, log.partitions).await?;
    let ends = topic.ends().await?;
    if let Some(other) = ends.iter().flatten().find(|last| last.log_id != log.log_id) {
        return Err(anyhow!(
            "topic {} holds log {}, and this is log {}",
            topic.name(),
            other.log_id,
            log.log_id
        ));
    }
    Ok(ends.into_iter().map(|last| last.map_or(0, |last| last.position)).collect())
}
