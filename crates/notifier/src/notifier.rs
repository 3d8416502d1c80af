//! The notifier whole: its inlet from the log, the senders, and the upkeep of its queue.
//!
//! Shape: the projector's loop queues, `deliverer` sends webhooks, `mails` writes mails; they share nothing but tables, so
//! several notifiers may run. It has connections of its own: hundreds of attempts must not take those that answer requests.
//! What sends has a thread of its own, of lower priority (`own_thread`), and makes pauses while the log grows fast (`traffic`):
//! bookings come first, and sending takes no more than about one core. The inlet, which writes a few statements for thousands
//! of events, stays with the projectors.

use crate::{
    deliverer::{DeliverConfig, Deliverer},
    endpoints::have_from,
    mailer::Post,
    mails::Mails,
    notices::Notices,
    own_thread,
    secret::WebhookKey,
    traffic::Traffic,
    upkeep::keep_up,
};
use holdfast_ambient::Ambient;
use holdfast_event_log::{LogPosition, heads};
use holdfast_projector::{BeginError, Positions, Projector, ProjectorStatus, Source, begin_at};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{error::Error, str::FromStr, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Name of the thread that sends.
const THREAD: &str = "notifier";
/// Connections of one notifier besides those of its inlet: claims, bodies and records, each a few milliseconds.
const POOL_CONNECTIONS_MAX: u32 = 6;
/// How long an attempt waits for a connection to be recorded over. What cannot be recorded is sent again.
const ACQUIRE_MAX: Duration = Duration::from_secs(10);

/// What a notifier is made of.
#[derive(Clone, Debug)]
pub struct NotifierParts {
    /// Time, ids and chance.
    pub ambient: Arc<dyn Ambient>,
    /// What webhooks are signed with.
    pub key: WebhookKey,
    /// How webhooks are sent.
    pub deliver: DeliverConfig,
    /// What mails are sent with; none: no mails.
    pub mail: Option<Post>,
}

/// Tells others what happened.
#[derive(Debug)]
pub struct Notifier<S> {
    projector: Projector<Notices, S>,
    pool: PgPool,
    ambient: Arc<dyn Ambient>,
    deliverer: Deliverer,
    mails: Option<Mails>,
    pending_max: i64,
    traffic: Traffic,
}

impl<S: Source> Notifier<S> {
    /// A notifier that reads `source` and keeps its queue in the database of `pool`.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(pool: &PgPool, source: S, parts: NotifierParts) -> Result<Self, reqwest::Error> {
        let NotifierParts { ambient, key, deliver, mail } = parts;
        let projector = Projector::new(pool, source, Positions::of::<Notices>(pool));
        let pool = PgPoolOptions::new()
            .max_connections(POOL_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with((*pool.connect_options()).clone());
        let pending_max = deliver.pending_max;
        let traffic = Traffic::default();
        let deliverer = Deliverer::new(pool.clone(), ambient.clone(), key, deliver)?.beside(traffic.clone());
        let mails = mail.map(|post| Mails::new(pool.clone(), ambient.clone(), post).beside(traffic.clone()));
        Ok(Self { projector, pool, ambient, deliverer, mails, pending_max, traffic })
    }

    /// What its inlet is doing, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ProjectorStatus> {
        self.projector.status()
    }

    /// Runs until `shutdown`. `wake` changes whenever this process committed something to the log. After a failure that needs
    /// somebody its inlet looks again from time to time, its status tells it, and what was queued is sent meanwhile.
    pub async fn keep_running(self, wake: Option<watch::Receiver<u64>>, shutdown: CancellationToken) {
        // The thread ends with this future, however it ends.
        let sending = shutdown.child_token();
        let _guard = sending.clone().drop_guard();
        let outlets = own_thread::run(THREAD, self.outlets(sending));
        let inlet = async {
            // Not before mails are open: what is queued before is not mailed.
            if let Some(mails) = &self.mails {
                let _: Option<()> = shutdown.run_until_cancelled(mails.open_at_last()).await;
            }
            self.projector.keep_running(wake, shutdown.clone()).await;
        };
        if let ((), Err(error)) = tokio::join!(inlet, outlets) {
            error!(error = &error as &dyn Error, "webhooks and mails were not sent to the end");
        }
    }

    fn outlets(&self, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + 'static + use<S> {
        let (deliverer, queued) = (self.deliverer.clone(), self.projector.status());
        let upkeep = keep_up(self.pool.clone(), self.ambient.clone(), self.pending_max);
        let mails = self.mails.clone();
        let traffic = self.traffic.clone().watch(self.projector.status());
        async move {
            let mails = async {
                match mails {
                    Some(mails) => mails.run(shutdown.clone()).await,
                    None => shutdown.cancelled().await,
                }
            };
            tokio::join!(
                deliverer.run(queued, shutdown.clone()),
                shutdown.run_until_cancelled(upkeep),
                shutdown.run_until_cancelled(traffic),
                mails,
            );
        }
    }
}

/// Where an operator wants the notifier to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromPosition {
    /// With the first event.
    All,
    /// With these events, in their partitions; others go on where they are.
    At(Vec<LogPosition>),
}

/// The text is no place to begin at.
#[derive(Debug, thiserror::Error)]
#[error("give `all`, or the first event of each partition, such as 0-17,3-1")]
pub struct NotAPlace;

impl FromStr for FromPosition {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        match text.trim() {
            "all" | "0" => Ok(Self::All),
            text => {
                let places = text.split(',').map(|place| place.trim().parse().map_err(|_| NotAPlace));
                places.collect::<Result<_, _>>().map(Self::At)
            }
        }
    }
}

/// Sets the notifier to a place in the log, for all endpoints there are. What is there already, owed or delivered within 30
/// days, is not queued again: to send something once more is what a replay is for.
///
/// # Errors
/// The places are checked against the log.
pub async fn begin_from(pool: &PgPool, from: &FromPosition) -> Result<(), BeginError> {
    let mut tx = pool.begin().await?;
    let first = match from {
        FromPosition::At(first) => first.clone(),
        FromPosition::All => {
            let heads = heads(&mut *tx).await?;
            heads.iter().map(|head| LogPosition { log_partition: head.log_partition, position: 1 }).collect()
        }
    };
    let checkpoints = begin_at::<Notices>(&mut tx, &first).await?;
    let named = |partition: u16| first.iter().any(|at| at.log_partition == partition);
    let have: Vec<_> = (0u16..)
        .zip(checkpoints)
        .map(|(partition, at)| if named(partition) { at } else { i64::MAX })
        .collect();
    have_from(&mut tx, &have).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_begin_at_is_all_or_a_list_of_positions() {
        assert_eq!("all".parse::<FromPosition>().unwrap(), FromPosition::All);
        assert_eq!("0".parse::<FromPosition>().unwrap(), FromPosition::All);
        let at = |log_partition, position| LogPosition { log_partition, position };
        assert_eq!("0-17, 3-1".parse::<FromPosition>().unwrap(), FromPosition::At(vec![at(0, 17), at(3, 1)]));
        for text in ["", "7", "7-", "0-1,,1-1", "every", "1-1;2-2"] {
            assert!(text.parse::<FromPosition>().is_err(), "{text}");
        }
    }
}
