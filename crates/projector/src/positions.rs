//! How far a read model is, and waiting until it is far enough.
//!
//! A query that carries a consistency token asks here first. The answer comes from memory when the
//! projector runs in this process (it publishes every commit) or when somebody else has just asked;
//! otherwise from the checkpoints table, which is asked once for all who wait.

use crate::{Projection, batch::events_between, batch::position_in};
use holdfast_event_log::LogPosition;
use sqlx::PgPool;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Between two looks at the table while somebody waits: short against the 500 ms a query may wait, long
/// enough that all who wait cost at most 200 small reads a second.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A projector in this process that published within this time is believed to go on doing so; only after
/// it the table is asked.
const FED_FOR: Duration = Duration::from_millis(100);

/// SQLSTATE of a table that does not exist: the read model has not been made yet.
const UNDEFINED_TABLE: &str = "42P01";

/// How far a read model is, compared with what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The last event applied of the partition in question.
    pub position: LogPosition,
    /// Whether it includes what was asked for.
    pub reached: bool,
}

/// The positions of one read model, shared by its projector and all who wait for it.
#[derive(Clone, Debug)]
pub struct Positions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    schema: String,
    known: watch::Sender<Known>,
    fed_at: Mutex<Option<Instant>>,
    /// When the table was asked last. Held while it is asked: the others wait for that answer.
    looked_at: tokio::sync::Mutex<Option<Instant>>,
}

/// What is known of a read model.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    checkpoints: Vec<i64>,
    /// Whether it has set streams aside; then a checkpoint alone does not say what is in the rows.
    parks: bool,
}

impl Positions {
    /// The positions of `P`, read over `pool`.
    #[must_use]
    pub fn of<P: Projection>(pool: &PgPool) -> Self {
        Self(Arc::new(Shared {
            pool: pool.clone(),
            schema: P::schema(),
            known: watch::Sender::new(Known::default()),
            fed_at: Mutex::new(None),
            looked_at: tokio::sync::Mutex::new(None),
        }))
    }

    /// Waits until the read model includes the event at `at`, at most `timeout` long. Returns at once if
    /// it does already.
    ///
    /// # Errors
    /// Whatever Postgres says. A read model that does not exist yet is no error, only stale.
    pub async fn wait_for(&self, at: LogPosition, timeout: Duration) -> Result<Freshness, sqlx::Error> {
        let deadline = Instant::now() + timeout;
        let mut known = self.0.known.subscribe();
        loop {
            let (position, partitions, parks) = {
                let known = known.borrow_and_update();
                let Known { checkpoints, parks } = &*known;
                (position_in(checkpoints, at.log_partition), checkpoints.len(), *parks)
            };
            let freshness =
                Freshness { position: LogPosition { position, ..at }, reached: position >= at.position };
            let no_such_partition = partitions > 0 && usize::from(at.log_partition) >= partitions;
            if freshness.reached && parks {
                return Ok(Freshness { reached: !self.is_parked(at).await?, ..freshness });
            }
            if freshness.reached || no_such_partition || Instant::now() >= deadline {
                return Ok(freshness);
            }
            tokio::select! {
                _ = known.changed() => {}
                looked = self.look() => looked?,
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// How many events of the log are not in the read model, by the log's heads and the model's table: it
    /// is right even if the projector is gone.
    ///
    /// # Errors
    /// Whatever Postgres says.
    pub async fn lag(&self) -> Result<i64, sqlx::Error> {
        let mut checkpoints = self.read().await?.checkpoints;
        let heads: Vec<i64> =
            holdfast_event_log::heads(&self.0.pool).await?.into_iter().map(|head| head.position).collect();
        checkpoints.resize(heads.len(), 0);
        Ok(events_between(&checkpoints, &heads))
    }

    /// Tells all who wait. What is published must be committed.
    pub(crate) fn publish(&self, checkpoints: &[i64], parks: bool) {
        *self.0.fed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.0.known.send_if_modified(|known| {
            let changed = known.checkpoints != checkpoints || known.parks != parks;
            if changed {
                checkpoints.clone_into(&mut known.checkpoints);
                known.parks = parks;
            }
            changed
        });
    }

    /// Looks into the table when its turn has come.
    async fn look(&self) -> Result<(), sqlx::Error> {
        let mut looked_at = self.0.looked_at.lock().await;
        let fed_at = self.fed_at();
        if let Some(due) = looked_at.map(|at| at + LOOK_EVERY).max(fed_at.map(|at| at + FED_FOR)) {
            sleep_until(due).await;
        }
        let read = self.read().await?;
        *looked_at = Some(Instant::now());
        if self.fed_at() == fed_at {
            self.0.known.send_replace(read);
        }
        Ok(())
    }

    fn fed_at(&self) -> Option<Instant> {
        *self.0.fed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Result<Known, sqlx::Error> {
        let schema = &self.0.schema;
        let read = format!(
            "SELECT position, EXISTS (SELECT FROM {schema}.parked) FROM {schema}.checkpoints ORDER BY log_partition"
        );
        match sqlx::query_as::<_, (i64, bool)>(&read).fetch_all(&self.0.pool).await {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(UNDEFINED_TABLE) => {
                Ok(Known::default())
            }
            read => {
                let read = read?;
                let parks = read.iter().any(|(_, parks)| *parks);
                Ok(Known { checkpoints: read.into_iter().map(|(position, _)| position).collect(), parks })
            }
        }
    }

    /// Whether an event up to this one was set aside instead of being applied.
    async fn is_parked(&self, at: LogPosition) -> Result<bool, sqlx::Error> {
        let parked = format!(
            "SELECT EXISTS (SELECT FROM {}.parked WHERE log_partition = $1 AND position <= $2)",
            self.0.schema
        );
        let parked = sqlx::query_scalar(&parked).bind(at.log_partition.cast_signed()).bind(at.position);
        parked.fetch_one(&self.0.pool).await
    }
}
