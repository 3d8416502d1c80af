//! What a read model is to the loop that feeds it: tables, a fold, and how changes become rows.
//!
//! A read model lives in a Postgres schema of its own name, which also holds its checkpoints. It can be
//! deleted on any afternoon: its projector makes it again from the log.

use holdfast_event_log::Recorded;
use sqlx::{Postgres, postgres::PgArguments, query::Query};

/// A statement that is being bound.
pub type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// Condition on the `log_partition` of a row to be written: its partition's checkpoint was where we
/// believed it to be. Every data-modifying part of [`Projection::write_sql`] must have it: this is what
/// keeps a second projector from applying an event again. (An array made once, not a join: the planner
/// then has no order of joins to choose.)
pub const IN_MOVED: &str = "= ANY (ARRAY(SELECT log_partition FROM moved))";

/// A table of a read model, as the comparison of two builds needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name within the schema.
    pub name: &'static str,
    /// The columns of its primary key, which also name a row that differs.
    pub key: &'static [&'static str],
}

/// Where a projection that has never run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// With the first event: its rows are made of the whole log.
    AtFirst,
    /// After the last event there is: what it does has effects, and history is not done again. It cannot be
    /// rebuilt or verified.
    AtHeads,
}

/// One read model.
pub trait Projection: Send + Sync + 'static {
    /// The word used in commands, metrics and logs; with `_` for `-` it names the Postgres schema.
    const NAME: &'static str;

    /// Where it begins when it has never run.
    const BEGINS: Begins = Begins::AtFirst;

    /// All its tables.
    const TABLES: &'static [Table];

    /// One net change per row.
    type Changes: Send + Sync;

    /// The tables with their primary keys, within `schema`.
    fn tables_sql(schema: &str) -> String;

    /// The other indexes: a rebuild makes them when the rows are there, which is cheaper.
    fn indexes_sql(schema: &str) -> String;

    /// Adds a batch up. Pure, and independent of how the log is cut into batches.
    fn fold(events: &[Recorded]) -> Self::Changes;

    /// The parts of a `WITH` that write the changes into `schema`, separated by commas. Parameters start
    /// at `$4`; each part takes only rows whose partition is [`IN_MOVED`].
    fn write_sql(schema: &str) -> String;

    /// Binds the changes, in the order of the parameters, rows in the order of their keys.
    fn bind<'q>(query: PgQuery<'q>, changes: &'q Self::Changes) -> PgQuery<'q>;

    /// The Postgres schema of the live read model.
    #[must_use]
    fn schema() -> String {
        schema_of(Self::NAME)
    }
}

/// What an operator can do about stored checkpoints that do not fit this log or this build.
pub(crate) fn remedy<P: Projection>() -> String {
    match P::BEGINS {
        Begins::AtFirst => format!("`holdfast rebuild {}` makes it anew from this log", P::NAME),
        Begins::AtHeads => "--from-position says where to begin in this log".to_owned(),
    }
}

/// The Postgres schema of the read model of this name.
pub(crate) fn schema_of(name: &str) -> String {
    name.replace('-', "_")
}
