//! Puts a rebuilt read model in the place of the live one.
//!
//! In one transaction: the live projector is held, what the log has gathered meanwhile is applied, two
//! schemas are renamed. A rename locks no table, so queries go on all the time: one that began before reads
//! the old tables to its end, the next one finds the new. (Prepared statements are planned anew, because
//! Postgres forgets its plans when a schema changes.) The old tables are dropped afterwards, in a
//! transaction of its own, because dropping waits for whoever still reads them.
//!
//! The live projector waits on the lock of its checkpoints table. When it gets it, the name means the new
//! table, whose positions it does not expect: nothing is moved, it loads them and goes on.

use crate::{
    LogSource, Projection, RebuildError,
    build::{drop_schema, sql},
    feed::Feed,
    model,
    projection::schema_of,
};
use sqlx::{Connection, Executor, PgConnection};

/// Where the replaced read model waits to be dropped.
pub(crate) fn replaced(live: &str) -> String {
    format!("{live}_replaced")
}

/// Applies the rest and renames.
pub(crate) async fn switch<P: Projection>(
    conn: &mut PgConnection,
    feed: &mut Feed<P, LogSource>,
    batch_events_max: usize,
) -> Result<(), RebuildError> {
    let (live, next) = (schema_of(P::NAME), feed.schema().to_owned());
    let replaced = replaced(&live);
    drop_schema(conn, &replaced).await.map_err(sql("dropping what an earlier rebuild replaced"))?;

    let doing = sql("switching to the new read model");
    let mut tx = conn.begin().await.map_err(doing)?;
    model::lock_schemas(&mut *tx, P::NAME).await.map_err(doing)?;
    if model::has_tables(&mut *tx, &live, &["checkpoints"]).await.map_err(doing)? {
        model::hold(&mut tx, &live).await.map_err(doing)?;
    }
    let heads = holdfast_event_log::heads(&mut *tx).await.map_err(doing)?;
    let heads: Vec<_> = heads.into_iter().map(|head| head.position).collect();
    feed.run_to_in_tx(&mut tx, batch_events_max, &heads).await?;
    if model::exists(&mut *tx, &live).await.map_err(doing)? {
        let rename = format!("ALTER SCHEMA {live} RENAME TO {replaced}");
        (&mut *tx).execute(rename.as_str()).await.map_err(doing)?;
    }
    (&mut *tx).execute(format!("ALTER SCHEMA {next} RENAME TO {live}").as_str()).await.map_err(doing)?;
    tx.commit().await.map_err(doing)
}
