//! How Postgres runs the very statement that a query function has just prepared.

use sqlx::{PgConnection, Row};

/// The plan of the statement prepared last on this connection, whatever its parameters are, executed with
/// `args` (literals, separated by commas).
pub async fn plan(conn: &mut PgConnection, args: &str) -> String {
    explain(conn, "COSTS", args).await
}

/// How many pages of tables and indexes the statement prepared last on this connection looks at, executed with `args`.
pub async fn pages_looked_at(conn: &mut PgConnection, args: &str) -> u64 {
    let plan = explain(conn, "ANALYZE, BUFFERS", args).await;
    // The first line of its kind counts for all that is below it.
    let buffers = plan.lines().find_map(|line| line.trim().strip_prefix("Buffers: shared ")).expect("it ran");
    let counts = buffers.split(' ').filter_map(|count| count.split_once('='));
    let counts = counts.filter(|(what, _)| ["hit", "read"].contains(what));
    counts.map(|(_, count)| count.parse::<u64>().expect("a count")).sum()
}

async fn explain(conn: &mut PgConnection, options: &str, args: &str) -> String {
    let last = "SELECT name FROM pg_prepared_statements ORDER BY prepare_time DESC LIMIT 1";
    let last: String =
        sqlx::query_scalar(last).persistent(false).fetch_one(&mut *conn).await.expect("one is prepared");
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut *conn).await.expect("a setting");
    let explain = format!("EXPLAIN ({options}) EXECUTE {last} ({args})");
    let lines = sqlx::raw_sql(&explain).fetch_all(&mut *conn).await.expect("the arguments fit");
    sqlx::raw_sql("RESET plan_cache_mode").execute(conn).await.expect("a setting");
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}
