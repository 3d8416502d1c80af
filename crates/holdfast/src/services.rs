//! What runs inside a server process, started and ended in order: `up` and `api` share it.
//!
//! Start: take the listener (so that a second server on the address fails before it touches the log) →
//! writer → projectors → sweeper → HTTP. End: HTTP answers what is in flight → writer finishes its
//! queue → projectors stop. What was answered is durable at every step, so each of them has a time limit
//! (`signals`): a Postgres that is gone must not keep the process from ending.

use crate::config::{Http, Model};
use crate::models::{MODELS, WhenStopped};
use crate::notifying;
use crate::signals::{POSTGRES_SHARE, Stop};
use crate::system::System;
use anyhow::Context as _;
use holdfast_ambient::{Ambient, Machine};
use holdfast_api::{ApiConfig, ApiParts, ApiState, NamedProjector, ReadModels, TokenSecret};
use holdfast_notifier::{Notifier, WebhookKey};
use holdfast_projector::SharedLog;
use holdfast_writer::{Writer, WriterConfig};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often overdue holds are looked for that no memory knows: after a restart, or when they left it.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Inventories one sweep wakes, longest overdue first. They leave the list when their expiry is projected,
/// and the next sweep finds those behind them; one that does not expire is woken again and does no harm.
const SWEEP_INVENTORIES_MAX: u32 = 500;
/// How often old samples of the histograms are folded away.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);
/// How many events share an append: the batch is as large as the load makes it.
const APPEND_EVENTS_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 2000.0];

/// What one server process is to run.
pub(crate) struct Plan {
    pub(crate) token_secret: TokenSecret,
    pub(crate) compat: bool,
    /// The leases of the log are known to be a dead process's.
    pub(crate) force: bool,
    /// Read models to feed in this process.
    pub(crate) projectors: &'static [Model],
    pub(crate) webhook_key: WebhookKey,
    pub(crate) webhooks_allow_private: bool,
    /// Whether webhooks and mails are sent by this process.
    pub(crate) notify: bool,
    pub(crate) mail_folder: Option<PathBuf>,
}

/// A server that is ready: everything runs but HTTP, whose listener is open.
pub(crate) struct Services {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
    state: ApiState,
    writer: Writer,
    tasks: TaskTracker,
    /// Ends projectors and sweeper; not before HTTP and writer have ended.
    stop_tasks: CancellationToken,
}

impl Plan {
    /// All read models.
    pub(crate) const ALL: &'static [Model] = &MODELS;
}

impl Services {
    pub(crate) async fn start(
        system: &System,
        listener: TcpListener,
        http: &Http,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listener has no address")?;
        let prometheus = metrics_recorder().context("the metrics recorder could not be installed")?;
        let ambient: Arc<dyn Ambient> = Arc::new(Machine);
        let config = WriterConfig {
            force: plan.force,
            flushers: http.flushers,
            queue_commands_max: http.queue_commands.try_into().unwrap_or(usize::MAX),
            memory_bookings_max: http.memory_bookings.try_into().unwrap_or(usize::MAX),
            ..WriterConfig::new(ambient.new_id(), owner_address(address))
        };
        let writer = Writer::start(system.pool.clone(), system.connect.clone(), ambient.clone(), config)
            .await
            .context("the log could not be read; `holdfast migrate` makes it")?;
        let (tasks, stop_tasks) = (TaskTracker::new(), CancellationToken::new());
        let read_models = ReadModels {
            availability: Model::Availability.positions(&system.pool),
            booking_history: Model::BookingHistory.positions(&system.pool),
        };
        let log = SharedLog::following(&system.pool, writer.committed());
        let projectors =
            spawn_projectors(&system.pool, plan.projectors, &read_models, &writer, &log, &tasks, &stop_tasks);
        if plan.notify {
            let (key, private) = (plan.webhook_key.clone(), plan.webhooks_allow_private);
            let parts = notifying::parts(&system.pool, key, private, plan.mail_folder.as_deref())?;
            let notifier =
                Notifier::new(&system.pool, log, parts).context("webhooks cannot be sent over TLS")?;
            tasks.spawn(notifier.keep_running(Some(writer.commits()), stop_tasks.clone()));
        }
        let swept = sweep(system.pool.clone(), writer.clone(), ambient.clone());
        spawn_until(&tasks, &stop_tasks, swept);
        spawn_until(&tasks, &stop_tasks, keep_up(prometheus.clone()));
        tasks.close();
        let state = ApiState::new(ApiParts {
            pool: system.pool.clone(),
            writer: writer.clone(),
            ambient,
            read_models,
            projectors,
            prometheus,
            config: ApiConfig {
                token_ttl: Duration::from_secs(http.token_seconds.into()),
                compat: plan.compat,
                webhooks_allow_private: plan.webhooks_allow_private,
                ..ApiConfig::new(plan.token_secret, plan.webhook_key)
            },
        });
        Ok(Self { address, listener, state, writer, tasks, stop_tasks })
    }

    /// Serves until `stop`, then ends everything in order.
    pub(crate) async fn serve(self, stop: &Stop) -> anyhow::Result<()> {
        let served = holdfast_api::serve(self.listener, holdfast_api::router(self.state), stop.token()).await;
        if timeout(stop.left_but(POSTGRES_SHARE), self.writer.shutdown()).await.is_err() {
            tracing::warn!("the writer did not end in time; what it had not answered is asked for again");
        }
        self.stop_tasks.cancel();
        if timeout(stop.left_but(POSTGRES_SHARE), self.tasks.wait()).await.is_err() {
            tracing::warn!("the projectors did not end in time; their statements commit whole or not at all");
        }
        served.context("the HTTP server failed")
    }
}

/// The address with the machine's boot in it: another machine's `127.0.0.1:8080` is not our predecessor.
fn owner_address(address: SocketAddr) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{address} boot {}", boot.trim())
}

fn spawn_projectors(
    pool: &PgPool,
    models: &[Model],
    read_models: &ReadModels,
    writer: &Writer,
    log: &SharedLog,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Vec<NamedProjector> {
    let mut running = Vec::new();
    for model in models {
        let positions = match model {
            Model::Availability => &read_models.availability,
            Model::BookingHistory => &read_models.booking_history,
        };
        // Both are given what the writer commits; what is not there they read from the log, once for both.
        let projector = model.projector(pool, log.clone(), positions.clone());
        running.push(NamedProjector { name: model.name(), status: projector.status.clone() });
        // It logs why it stops, and `/health/ready` tells it; the server goes on and says that reads are stale.
        tasks.spawn(projector.run(Some(writer.commits()), stop.clone(), WhenStopped::LookAgain));
    }
    running
}

fn spawn_until(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move { stop.run_until_cancelled(work).await });
}

/// Wakes inventories whose holds are overdue. The read model is only a hint: what it says late is
/// done late, and the rules decide.
async fn sweep(pool: PgPool, writer: Writer, ambient: Arc<dyn Ambient>) {
    loop {
        match holdfast_booking_history::overdue_inventories(&pool, ambient.now(), SWEEP_INVENTORIES_MAX).await
        {
            Ok(overdue) => overdue.into_iter().for_each(|id| writer.wake(id)),
            Err(error) => tracing::debug!(%error, "no sweep; the next one tries again"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Every duration gets buckets, in seconds, so that quantiles can be added up over processes.
fn metrics_recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            holdfast_api::metrics::REQUEST_SECONDS_BUCKETS,
        )?
        .set_buckets_for_metric(Matcher::Full("holdfast_append_events".to_owned()), &APPEND_EVENTS_BUCKETS)?
        .install_recorder()
}

async fn keep_up(prometheus: PrometheusHandle) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        prometheus.run_upkeep();
    }
}
