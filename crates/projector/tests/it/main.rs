//! The loop that feeds a read model, against a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod faults;
mod flow;
mod live;
mod overtaken;
mod parking;
mod rebuilding;
mod sharing;
mod switching;
mod tally;
mod waiting;

/// Sessions of this database that wait for a lock, with a statement that contains `sql`.
async fn waiting(pool: &sqlx::PgPool, sql: &str) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND strpos(query, $1) > 0";
    sqlx::query_scalar(waiting).bind(sql).fetch_one(pool).await.unwrap()
}
