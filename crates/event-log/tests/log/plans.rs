//! Each hot statement uses its index and reads what it returns, in a log of 100,000 events.
//!
//! Postgres itself says so, of the SQL that is really sent: planned for its values, and planned once for
//! all values (which Postgres may do with a prepared statement after a few uses, and keep for good).

use crate::scene::*;
use holdfast_event_log::statements::{
    APPEND, FIND_COMMANDS, LAST_SEQUENCE, READ_AFTER, READ_AT, READ_EACH, READ_OPENINGS, READ_RAW_AFTER,
    READ_RAW_AFTER_EACH, READ_RAW_AT, READ_SEQUENCES, READ_STREAM_AFTER,
};
use serde_json::Value;
use sqlx::{Executor, PgConnection};

/// 192 streams in 16 partitions; every event has a command, and the size of a reservation.
const FILL: &str = "
    INSERT INTO events
    SELECT n % 16, n / 16 + 1, 'inventory', lpad(to_hex(n % 192), 32, '0')::uuid::text, n / 192 + 1,
           'SalesClosed', '1', format('{\"type\":\"SalesClosed\",\"filler\":\"%s\"}', repeat('x', 180))::json,
           '{\"actor\":\"00000000-0000-0000-0000-000000000000\"}', md5('event' || n)::uuid, md5(n::text)::uuid,
           now()
    FROM generate_series(0, 99999) n;
    INSERT INTO commands
    SELECT md5(n::text)::uuid, md5(n::text)::uuid, n % 16, n / 16 + 1 FROM generate_series(0, 99999) n;
    ANALYZE";

const PARTITION_KEY: &str = "events_pkey";
const STREAM_KEY: &str = "events_aggregate_id_sequence_aggregate_type_key";
const COMMAND_KEY: &str = "commands_pkey";

/// How Postgres runs the statement with these arguments, planned for them and for all.
async fn plans(conn: &mut PgConnection, explain: &str, sql: &str, arguments: &str) -> [Value; 2] {
    conn.execute(format!("PREPARE hot AS {sql}").as_str()).await.unwrap();
    let mut plans = [Value::Null, Value::Null];
    for (plan, mode) in plans.iter_mut().zip(["force_custom_plan", "force_generic_plan"]) {
        conn.execute(format!("SET plan_cache_mode = {mode}").as_str()).await.unwrap();
        let explain = format!("EXPLAIN ({explain}, FORMAT JSON) EXECUTE hot({arguments})");
        *plan = sqlx::query_scalar(&explain).persistent(false).fetch_one(&mut *conn).await.unwrap();
    }
    conn.execute("DEALLOCATE hot").await.unwrap();
    plans
}

/// Every node of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    std::iter::once(plan).chain(below).collect()
}

/// The log's tables that a node reads or writes.
fn is_of_the_log(node: &&&Value) -> bool {
    ["events", "commands"].iter().any(|table| node["Relation Name"] == *table)
}

/// Rows a node has read, those that it threw away included.
fn rows_read(node: &Value) -> f64 {
    let of = |field: &str| node[field].as_f64().unwrap_or(0.0);
    let thrown_away = of("Rows Removed by Filter") + of("Rows Removed by Index Recheck");
    (of("Actual Rows") + thrown_away) * of("Actual Loops")
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn each_hot_statement_uses_its_index_and_reads_what_it_returns() {
    let log = log(16).await;
    let mut conn = log.connect().await;
    conn.execute(FILL).await.unwrap();
    let stream = "'inventory', '00000000-0000-0000-0000-000000000007'";
    let everywhere = format!(
        "ARRAY[{}]::smallint[], array_fill(3000::bigint, ARRAY[16])",
        list((0..16).map(|p| p.to_string()))
    );
    let places = format!(
        "ARRAY[{}]::smallint[], ARRAY[{}]::bigint[]",
        list((0..500).map(|n| (n % 16).to_string())),
        list((0..500).map(|n| (n * 10 + 1).to_string()))
    );
    let inventories = list((0..8).map(|n| format!("'00000000-0000-0000-0000-00000000000{n}'")));
    let commands = |count| format!("ARRAY[{}]", list((0..count).map(|n| format!("md5('{n}')::uuid"))));

    let reads: [(&str, String, &[&str], f64); 13] = [
        (READ_RAW_AFTER, "3, 3000, 500".into(), &[PARTITION_KEY], 500.0),
        (READ_RAW_AFTER_EACH, format!("{everywhere}, 1000"), &[PARTITION_KEY], 1000.0),
        (READ_RAW_AT, "3, '{5,7,900}'".to_owned(), &[PARTITION_KEY], 3.0),
        (READ_AFTER, format!("{everywhere}, 1000"), &[PARTITION_KEY], 1000.0),
        (READ_AFTER, "'{3}', '{6240}', 1000".into(), &[PARTITION_KEY], 10.0),
        (READ_AT, "3, 3000".into(), &[PARTITION_KEY], 1.0),
        (READ_EACH, places.clone(), &[PARTITION_KEY], 500.0),
        (READ_OPENINGS, format!("'inventory', ARRAY[{inventories}]"), &[STREAM_KEY], 8.0),
        (READ_SEQUENCES, format!("{stream}, '{{1, 5, 9}}'"), &[STREAM_KEY], 3.0),
        (READ_STREAM_AFTER, format!("{stream}, 100, 50"), &[STREAM_KEY], 50.0),
        (LAST_SEQUENCE, stream.into(), &[STREAM_KEY], 1.0),
        (FIND_COMMANDS, commands(1), &[COMMAND_KEY, PARTITION_KEY], 2.0),
        // All commands of a large batch, after an unknown outcome.
        (FIND_COMMANDS, commands(500), &[COMMAND_KEY, PARTITION_KEY], 1000.0),
    ];
    for (sql, arguments, keys, rows_max) in reads {
        for plan in plans(&mut conn, "ANALYZE, COSTS OFF, TIMING OFF", sql, &arguments).await {
            let nodes = nodes(&plan[0]["Plan"]);
            let asked = format!("{sql}\nwith {arguments:.60}:\n{plan:#}");
            for key in keys {
                assert!(nodes.iter().any(|node| node["Index Name"] == *key), "{key} does not serve {asked}");
            }
            let rows: f64 = nodes.iter().filter(is_of_the_log).map(|node| rows_read(node)).sum();
            assert!(rows <= rows_max, "{rows} rows are read, not {rows_max}, by {asked}");
        }
    }
}

/// An append writes to the tables it grows, and reads neither.
#[tokio::test]
async fn an_append_reads_nothing_of_what_it_grows() {
    let log = log(16).await;
    let mut conn = log.connect().await;
    conn.execute(FILL).await.unwrap();
    let heads = ["smallint", "bigint", "bigint", "bigint", "timestamptz"];
    let events = [
        "smallint",
        "bigint",
        "uuid",
        "bigint",
        "text",
        "text",
        "text",
        "text",
        "uuid",
        "uuid",
        "timestamptz",
    ];
    let commands = ["uuid", "uuid", "smallint", "bigint"];
    let arrays = |types: &[&str], count: usize| {
        list(types.iter().map(|t| format!("array_fill(NULL::{t}, ARRAY[{count}])")))
    };
    let arguments =
        format!("{}, 'inventory', {}, {}", arrays(&heads, 8), arrays(&events, 300), arrays(&commands, 300));
    for plan in plans(&mut conn, "COSTS OFF", APPEND, &arguments).await {
        let nodes = nodes(&plan[0]["Plan"]);
        let uses: Vec<_> = nodes.iter().filter(is_of_the_log).map(|node| &node["Node Type"]).collect();
        assert_eq!(uses, ["ModifyTable", "ModifyTable"], "more than the inserts themselves:\n{plan:#}");
    }
}
