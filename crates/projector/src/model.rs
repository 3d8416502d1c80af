//! The Postgres schema a read model lives in: its tables, its checkpoints, and what it was made from.
//!
//! Besides the projection's own tables there are three of ours:
//! - `checkpoints`: the last event applied of each log partition;
//! - `parked`: events that were set aside instead (`parked`);
//! - `origin`: the log the rows were made from, and the text the tables were made with. Rows of another
//!   log, or tables of another build, stop the projector instead of being mixed with ours.

use crate::{
    Begins, Failure, Projection,
    batch::{Checkpoints, position_in},
    parked,
    projection::{remedy, schema_of},
};
use holdfast_event_log::LogPosition;
use sqlx::{Connection, Executor, PgConnection, PgExecutor};
use uuid::Uuid;

/// Advisory lock namespace of everything that makes or renames a read model's schema.
const SCHEMA_LOCK: i32 = 0x4846_5343;

/// Makes the read model if it is not there.
pub(crate) async fn open<P: Projection>(conn: &mut PgConnection) -> Result<(), Failure> {
    let schema = schema_of(P::NAME);
    if live::<P>(conn).await?.is_some() && has_tables(&mut *conn, &schema, &["parked"]).await? {
        return Ok(());
    }
    let mut tx = conn.begin().await?;
    lock_schemas(&mut *tx, P::NAME).await?;
    if exists(&mut *tx, &schema).await? {
        // Of a build that set no streams aside.
        (&mut *tx).execute(parked::table_sql(&schema).as_str()).await?;
    } else {
        create::<P>(&mut tx, &schema).await?;
        (&mut *tx).execute(P::indexes_sql(&schema).as_str()).await?;
    }
    tx.commit().await?;
    live::<P>(conn).await.map(drop)
}

/// The live read model's checkpoints; none if there is no live read model. Refuses one that does not fit
/// this log or this build.
pub(crate) async fn live<P: Projection>(conn: &mut PgConnection) -> Result<Option<Checkpoints>, Failure> {
    let (name, schema) = (P::NAME, schema_of(P::NAME));
    if !exists(&mut *conn, &schema).await? {
        return Ok(None);
    }
    let tables: Vec<_> = P::TABLES.iter().map(|table| table.name).chain(["checkpoints", "origin"]).collect();
    if !has_tables(&mut *conn, &schema, &tables).await? {
        return Err(Failure::OtherTables { name, remedy: remedy::<P>() });
    }
    let origin = format!("SELECT o.log_id, o.tables, i.log_id FROM {schema}.origin o, log_identity i");
    let (model, tables, log): (Uuid, String, Uuid) = sqlx::query_as(&origin).fetch_one(&mut *conn).await?;
    if model != log {
        return Err(Failure::OtherLog { name, model, log, remedy: remedy::<P>() });
    }
    if tables != definition::<P>() {
        return Err(Failure::OtherTables { name, remedy: remedy::<P>() });
    }
    let checkpoints = checkpoints(&mut *conn, &schema).await?;
    for head in holdfast_event_log::heads(conn).await? {
        let position = position_in(&checkpoints, head.log_partition);
        if position > head.position {
            let checkpoint = LogPosition { log_partition: head.log_partition, position };
            let (head, remedy) = (head.position, remedy::<P>());
            return Err(Failure::AheadOfLog { name, checkpoint, head, remedy });
        }
    }
    Ok(Some(checkpoints))
}

/// Makes schema, checkpoints and tables, without the secondary indexes.
pub(crate) async fn create<P: Projection>(conn: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let ours = format!(
        "CREATE SCHEMA {schema};
         -- fillfactor: every batch updates these rows, in place while the page has room.
         CREATE TABLE {schema}.checkpoints (
             log_partition smallint PRIMARY KEY,
             position      bigint NOT NULL
         ) WITH (fillfactor = 20);
         CREATE TABLE {schema}.origin (log_id uuid NOT NULL, tables text NOT NULL);
         INSERT INTO {schema}.checkpoints
         SELECT generate_series(0, partitions - 1), 0 FROM log_identity;
         {}",
        parked::table_sql(schema)
    );
    conn.execute(ours.as_str()).await?;
    if P::BEGINS == Begins::AtHeads {
        let heads = heads(&mut *conn).await?;
        set_checkpoints(&mut *conn, schema, &heads).await?;
    }
    conn.execute(P::tables_sql(schema).as_str()).await?;
    sqlx::query(&format!("INSERT INTO {schema}.origin SELECT log_id, $1 FROM log_identity"))
        .bind(definition::<P>())
        .execute(conn)
        .await
        .map(|_| ())
}

/// Whether there is a schema of that name. Asked of the catalog's rows, not of `to_regnamespace`, whose
/// cache may be older than the lock we have just waited for.
pub(crate) async fn exists(db: impl PgExecutor<'_>, schema: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(db)
        .await
}

/// Whether a schema has these tables: somebody may have dropped one of them.
pub(crate) async fn has_tables(
    db: impl PgExecutor<'_>,
    schema: &str,
    tables: &[&str],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) = $3 FROM pg_tables WHERE schemaname = $1 AND tablename = ANY ($2)")
        .bind(schema)
        .bind(tables)
        .bind(tables.len() as i64)
        .fetch_one(db)
        .await
}

/// The checkpoints of a schema's read model, by partition.
pub(crate) async fn checkpoints(db: impl PgExecutor<'_>, schema: &str) -> Result<Checkpoints, sqlx::Error> {
    sqlx::query_scalar(&format!("SELECT position FROM {schema}.checkpoints ORDER BY log_partition"))
        .fetch_all(db)
        .await
}

/// Where every partition of the log ends.
pub(crate) async fn heads(db: impl PgExecutor<'_>) -> Result<Checkpoints, sqlx::Error> {
    Ok(holdfast_event_log::heads(db).await?.into_iter().map(|head| head.position).collect())
}

/// Puts the checkpoints of all partitions somewhere else.
pub(crate) async fn set_checkpoints(
    db: impl PgExecutor<'_>,
    schema: &str,
    checkpoints: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query(&format!("UPDATE {schema}.checkpoints SET position = ($1::bigint[])[log_partition + 1]"))
        .bind(checkpoints)
        .execute(db)
        .await
        .map(|_| ())
}

/// Until the end of the transaction, the feeds of this read model wait. A table lock: it is taken before any row is, so
/// they and we cannot wait for each other.
pub(crate) async fn hold(conn: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    conn.execute(format!("LOCK TABLE {schema}.checkpoints IN EXCLUSIVE MODE").as_str()).await.map(|_| ())
}

/// Until the end of the transaction, nobody else makes or renames the schemas of this read model.
pub(crate) async fn lock_schemas(db: impl PgExecutor<'_>, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
        .bind(SCHEMA_LOCK)
        .bind(name)
        .execute(db)
        .await
        .map(|_| ())
}

/// The text that tables and indexes are made with, to tell one build's from another's.
fn definition<P: Projection>() -> String {
    let schema = schema_of(P::NAME);
    let text = P::tables_sql(&schema) + " " + &P::indexes_sql(&schema);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
