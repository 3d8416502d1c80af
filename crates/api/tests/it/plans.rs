//! How Postgres runs the lists of the API in tables with many rows: a golden file, so that a plan that changes is seen.
//!
//! Each statement is the one that a request sends, seen on the wire, planned for any values (a generic plan). A list is bounded if its
//! page comes from an index in its order: no scan of a table, no sort, no filter. Read models have plans of their own (`projections`).

use crate::{app::App, questions::watch};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, Row as _};

/// Rows of each table: enough that Postgres does not scan it. One filling takes some seconds.
const ROWS: &str = "300000";
const GOLDEN: &str = include_str!("plans.txt");

/// A list, and the types of its statement's parameters with values.
struct List {
    path: &'static str,
    /// What its statement has in it.
    table: &'static str,
    types: &'static str,
    values: &'static str,
}

const PLACE: (&str, &str) =
    ("timestamptz, uuid, bigint", "'2026-01-01', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 50");

fn lists() -> Vec<List> {
    let of = |path, table, types, values| List { path, table, types, values };
    let (place, values) = PLACE;
    let filtered = "timestamptz, uuid, bigint, uuid, text";
    let all = "'2026-01-01', gen_random_uuid(), 50, NULL, NULL";
    let actor = "'2026-01-01', gen_random_uuid(), 50, gen_random_uuid(), NULL";
    let action = "'2026-01-01', gen_random_uuid(), 50, NULL, 'set_role'";
    let both = "'2026-01-01', gen_random_uuid(), 50, gen_random_uuid(), 'set_role'";
    let id = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";
    let path = |query: String| -> &'static str { query.leak() };
    vec![
        of("/v1/users", "FROM users", place, values),
        of("/v1/users?role=agent", "FROM users", place, values),
        of(
            "/v1/role-changes",
            "FROM role_changes",
            "timestamptz, uuid, bigint, uuid",
            "now(), gen_random_uuid(), 50, NULL",
        ),
        of(
            path(format!("/v1/role-changes?user_id={id}")),
            "FROM role_changes",
            "timestamptz, uuid, bigint, uuid",
            "now(), gen_random_uuid(), 50, gen_random_uuid()",
        ),
        of("/v1/admin-actions", "FROM admin_actions", filtered, all),
        of(path(format!("/v1/admin-actions?actor_id={id}")), "FROM admin_actions", filtered, actor),
        of("/v1/admin-actions?action=set_role", "FROM admin_actions", filtered, action),
        of(
            path(format!("/v1/admin-actions?actor_id={id}&action=set_role")),
            "FROM admin_actions",
            filtered,
            both,
        ),
        of(
            "/v1/reminders",
            "FROM reminders",
            "uuid, timestamptz, uuid, bigint",
            "gen_random_uuid(), now(), gen_random_uuid(), 50",
        ),
        of("/v1/mails/failed", "FROM mails", place, values),
        of(
            "/v1/users/me/export",
            "FROM mails",
            "uuid, timestamptz, uuid, bigint",
            "gen_random_uuid(), now(), gen_random_uuid(), 50",
        ),
    ]
}

const FILL: [&str; 5] = [
    "INSERT INTO users (user_id, email, password_hash, role, created_at)
     SELECT gen_random_uuid(), n || '@example.net', '', CASE WHEN n % 1000 = 0 THEN 'agent' ELSE 'customer' END,
            '2026-01-01'::timestamptz + n * interval '1 second' FROM generate_series(1, {rows}) n",
    "INSERT INTO role_changes (change_id, user_id, new_role, changed_at)
     SELECT gen_random_uuid(), gen_random_uuid(), 'agent', '2026-01-01'::timestamptz + n * interval '1 second'
     FROM generate_series(1, {rows}) n",
    "INSERT INTO admin_actions (action_id, actor_id, action, begun_at)
     SELECT gen_random_uuid(), md5((n % 10)::text)::uuid, 'action_' || n % 7, '2026-01-01'::timestamptz + n * interval '1 second'
     FROM generate_series(1, {rows}) n",
    "INSERT INTO mails (event_id, log_partition, position, recorded_at, state, next_attempt_at, ended_at, user_id)
     SELECT gen_random_uuid(), 0, n, at, CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'delivered' END, at, at, md5((n % 1000)::text)::uuid
     FROM generate_series(1, {rows}) n, LATERAL (SELECT '2026-01-01'::timestamptz + n * interval '1 second' AS at) a",
    "INSERT INTO reminders (reminder_id, user_id, fingerprint, subject, content, remind_at, created_at, next_attempt_at, state)
     SELECT gen_random_uuid(), user_id, gen_random_uuid(), 's', 'c', now(), now() - n * interval '1 second', now(), 'delivered'
     FROM (SELECT user_id FROM users LIMIT 100) u, generate_series(1, {rows} / 100) n",
];

#[tokio::test]
async fn every_list_comes_page_by_page_from_an_index_in_its_order() {
    let (app, proxy) = App::counted().await;
    let admin = app.admin().await;
    for fill in FILL {
        sqlx::raw_sql(&fill.replace("{rows}", ROWS)).execute(&app.pool).await.unwrap();
    }
    app.reminder(&admin, json!({})).await;
    let mut connection: PgConnection = PgConnection::connect_with(&app.pool.connect_options()).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut connection).await.unwrap();
    let mut plans = String::new();
    for List { path, table, types, values } in lists() {
        let seen = watch(&proxy);
        app.get(path).by(&admin).send().await.ok(200);
        let statements = seen.lock().unwrap().clone();
        let sql = statements.iter().rfind(|sql| sql.contains(table) && sql.contains("LIMIT"));
        let sql = sql.unwrap_or_else(|| panic!("{path} asked {statements:?}"));
        let prepare = format!("DEALLOCATE ALL; PREPARE list ({types}) AS {sql}");
        sqlx::raw_sql(&prepare).execute(&mut connection).await.unwrap();
        let explain = format!("EXPLAIN (COSTS OFF) EXECUTE list ({values})");
        let lines = sqlx::raw_sql(&explain).fetch_all(&mut connection).await.unwrap();
        let plan: String = lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect();
        for unbounded in ["Seq Scan", "Sort", "Bitmap"] {
            assert!(!plan.contains(unbounded), "{path}\n{plan}");
        }
        // Rows that an index finds and a filter throws away have no bound.
        let filters =
            plan.lines().filter(|line| line.contains("Filter:") && !line.contains("One-Time Filter:"));
        assert_eq!(filters.count(), 0, "{path}\n{plan}");
        plans.push_str(&format!("{path}\n{plan}\n"));
    }
    assert!(plans == GOLDEN, "the plans are now:\n{plans}");
}
