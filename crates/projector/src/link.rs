//! A connection of one's own, opened when it is needed and again after it failed.
//!
//! Not from the pool: the settings below are for these statements only, the connection is in use all the
//! time, and a projector must not take a place from those who answer requests.

use sqlx::{ConnectOptions, PgConnection, PgPool, postgres::PgConnectOptions};
use std::sync::Arc;

/// What a connection is for, which decides its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads the log.
    Reader,
    /// Writes a read model, live.
    Writer,
    /// Builds a read model beside the live one.
    Builder,
}

/// Keyed access only. Batches are arrays and tables grow from nothing, so the planner's estimates are no
/// guide; a plan that scans a table once per batch is right for the first batches and ruinous afterwards.
const BY_KEY: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// Derived state need not wait for the disk: rows and checkpoint are one transaction, so a crash loses
/// both or neither, and what is lost is applied again from the log.
const UNSYNCED: &[(&str, &str)] = &[("synchronous_commit", "off")];

/// Memory for sorting a whole table: indexes of a rebuilt table, and its comparison with the live one.
const BULK: &[(&str, &str)] = &[("maintenance_work_mem", "256MB"), ("work_mem", "128MB")];

/// One connection, or none at the moment.
#[derive(Debug)]
pub(crate) struct Link {
    options: Arc<PgConnectOptions>,
    conn: Option<PgConnection>,
}

impl Link {
    pub(crate) fn new(pool: &PgPool, role: Role) -> Self {
        let settings: &[&[_]] = match role {
            Role::Reader => &[BY_KEY],
            Role::Writer => &[BY_KEY, UNSYNCED],
            Role::Builder => &[BY_KEY, UNSYNCED, BULK],
        };
        let options = (*pool.connect_options()).clone().options(settings.iter().copied().flatten().copied());
        Self { options: Arc::new(options), conn: None }
    }

    /// The connection, opened if there is none.
    pub(crate) async fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let conn = self.take().await?;
        Ok(self.conn.insert(conn))
    }

    /// The connection, which is forgotten unless it is put back.
    pub(crate) async fn take(&mut self) -> Result<PgConnection, sqlx::Error> {
        match self.conn.take() {
            Some(conn) => Ok(conn),
            None => self.options.connect().await,
        }
    }

    /// Keeps a connection that is in order.
    pub(crate) fn put_back(&mut self, conn: PgConnection) {
        self.conn = Some(conn);
    }

    /// Forgets the connection: after an error nobody knows what state it is in.
    pub(crate) fn close(&mut self) {
        self.conn = None;
    }
}
