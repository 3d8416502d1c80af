//! `holdfast up`: everything in one process, on a Postgres cluster of its own in a data folder.

use crate::config::Up;
use crate::first_admin;
use crate::keeper;
use crate::notifying::{self, MailWay};
use crate::ops::OpsListener;
use crate::out;
use crate::own_kafka::OwnKafka;
use crate::services::{Listeners, Plan, Services};
use crate::signals;
use crate::system::System;
use anyhow::Context as _;
use holdfast_ambient::{Ambient, Machine};
use holdfast_api::TokenSecrets;
use holdfast_cluster::{DataFolder, SecretFile};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::{net::TcpListener, runtime::Handle};

/// Random bytes of a secret; written in hexadecimal.
pub(crate) const SECRET_BYTES: usize = 32;
/// How long the process that has the folder may take to end: after `kill -9` it is gone some milliseconds later.
const ENDING_MAX: Duration = Duration::from_secs(5);

pub(crate) async fn run(up: Up, beside: &Handle) -> anyhow::Result<()> {
    up.http.check()?;
    let stop = signals::asked_to_stop()?;
    let opened = stop.or(DataFolder::open_within(&up.data, ENDING_MAX)).await;
    let Some(folder) = opened.transpose()? else { return Ok(()) };
    let listen = up.http.listen;
    let clients = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on; choose another with --listen"))?;
    let listeners = Listeners { clients, ops: OpsListener::bind(&up.ops).await? };
    let mail_folder = folder.path().join(notifying::MAIL_FOLDER);
    let sends = !up.no_projectors;
    let mails = sends.then(|| notifying::mail_way(&up.mails, Some(&mail_folder))).transpose()?;
    let secret = folder.secret_file(super::TOKEN_SECRET_FILE, || random_hex(SECRET_BYTES))?;
    keeper::with_own_postgres(&folder, &stop, async |system| {
        let own = up.kafka && up.kafka_access.brokers().is_none();
        if !own {
            stop.or(OwnKafka::end_what_was_left(&folder)).await;
        }
        let own_kafka = match own.then(|| OwnKafka::start(&folder, &stop)) {
            Some(starting) => stop.or(starting).await.transpose()?,
            None => None,
        };
        let parts = Parts {
            folder: &folder,
            listeners,
            secret: &secret,
            own_kafka: own_kafka.as_ref(),
            mails,
            beside,
        };
        let started = start(system, &up, parts);
        let served = match stop.or(started).await.transpose() {
            Ok(Some(services)) => services.serve(&stop).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(own_kafka) = own_kafka {
            own_kafka.end(&stop).await;
        }
        served
    })
    .await
}

/// What a server is made of, besides its flags.
struct Parts<'a> {
    folder: &'a DataFolder,
    listeners: Listeners,
    secret: &'a SecretFile,
    own_kafka: Option<&'a OwnKafka>,
    mails: Option<MailWay>,
    beside: &'a Handle,
}

async fn start(system: &System, up: &Up, parts: Parts<'_>) -> anyhow::Result<Services> {
    let Parts { folder, listeners, secret, own_kafka, mails, beside } = parts;
    let kafka = match own_kafka.map(OwnKafka::brokers) {
        Some(brokers) => Some(up.kafka_access.kafka_at(&brokers)?),
        None if up.kafka => Some(up.kafka_access.kafka()?),
        None => None,
    };
    let through = kafka.as_ref().map_or_else(String::new, |kafka| format!(", Kafka at {}", kafka.address()));
    let partitions = system.migrate(None).await?;
    let admin = first_admin::ensure(&system.pool, folder).await?;
    let plan = Plan {
        token_secrets: TokenSecrets::read(&secret.content)?,
        data: Some(folder.path().to_owned()),
        force: true, // the folder's lock says that no other process of this log lives
        projectors: if up.no_projectors { &[] } else { Plan::ALL },
        kafka,
        webhook_key: notifying::key(&up.webhooks, Some(folder))?,
        webhooks_allow_private: up.webhooks.webhooks_allow_private,
        mails,
        beside: beside.clone(),
    };
    let services = Services::start(system, listeners, &up.http, plan).await?;
    out::line(format_args!(
        "holdfast is ready: http://{0} (API: http://{0}/docs), {partitions} log partitions in {1}{through}, {admin}{2}{3}",
        services.address,
        up.data.display(),
        if up.http.compat { ", Airbourne's and booking_monitor's routes on" } else { "" },
        services.listeners.ops.shown(),
    ));
    Ok(services)
}

pub(crate) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    Machine.random(&mut random);
    random.iter().fold(String::with_capacity(bytes * 2), |mut hex, byte| {
        // Writing into a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
