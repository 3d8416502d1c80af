//! Each process with the database role that `scripts/roles.sql` gives it: what it needs is allowed, and no more.

use crate::server::{Place, program};
use crate::tour::PATIENCE;
use holdfast_testkit::{TestDatabase, cluster, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::process::Stdio;
use tokio::process::{Child, Command};

const ROLES: &str = include_str!("../../../../scripts/roles.sql");
/// SQLSTATE of a privilege that is missing.
const NOT_ALLOWED: &str = "42501";

fn url_as(database: &TestDatabase, role: &str) -> String {
    database.connect_options().username(role).to_url_lossy().to_string()
}

/// A process with a database role.
fn run_as(database: &TestDatabase, role: &str, place: &Place, arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(arguments).args(["--database-url", &url_as(database, role), "--log", "warn"]);
    command.env("HOLDFAST_TOKEN_SECRET", "t".repeat(40)).env("HOLDFAST_WEBHOOK_KEY", "w".repeat(40));
    command.current_dir(place.folder()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

async fn state(database: &TestDatabase, role: &str, sql: &str) -> String {
    let options = database.connect_options().username(role);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    match sqlx::raw_sql(sql).execute(&mut connection).await {
        Ok(_) => "done".to_owned(),
        Err(error) => error.as_database_error().unwrap().code().unwrap().into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_books_with_its_own_database_role_and_no_role_can_do_more() {
    let (cluster, place) = (cluster().await, Place::new());
    let database = cluster.database().await;
    let pool = database.pool();
    holdfast_event_log::initialize(&mut pool.acquire().await.unwrap(), Some(4)).await.unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(ROLES).execute(&pool).await.unwrap();
    }
    let mails = place.folder().join("mail");
    let _api = run_as(&database, "holdfast_api", &place, &["api", "--listen", &place.address]);
    let project = |model| run_as(&database, "holdfast_projector", &place, &["project", model]);
    let _projectors = ["availability", "booking-history"].map(project);
    let notify = ["notify", "--source", "log", "--mail-folder", mails.to_str().unwrap()];
    let _notifier = run_as(&database, "holdfast_notifier", &place, &notify);
    eventually(PATIENCE, "the server is ready", async || {
        let ready = place.http.get(place.url("/health/ready")).send().await;
        ready.is_ok_and(|answer| answer.status() == StatusCode::OK)
    })
    .await;
    eventually(PATIENCE, "mails are open", async || {
        let open = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM mail_channel").fetch_one(&pool).await;
        open.unwrap() == 1
    })
    .await;

    // One booking, from sign-up to the mail.
    let admin = place.customer("admin@example.org").await;
    sqlx::query("UPDATE users SET role = 'admin'").execute(&pool).await.unwrap();
    let show = json!({"name": "Night", "starts_at": "2099-05-01T18:00:00Z", "capacity": 10,
        "price": {"amount": 2_500, "currency": "EUR"}});
    let mut opened = Value::Null;
    eventually(PATIENCE, "the role is known", async || {
        let request = place.http.post(place.url("/v1/shows")).bearer_auth(&admin).json(&show);
        let answer = request.header("Idempotency-Key", "show").send().await.unwrap();
        let made = answer.status() == StatusCode::CREATED;
        opened = answer.json().await.unwrap();
        made
    })
    .await;
    let seats = json!({"inventory_id": opened["id"], "quantity": 2});
    let booking = place.ask(Method::POST, "/v1/bookings", &admin, seats, StatusCode::CREATED).await;
    let path = format!("/v1/bookings/{}/confirm", booking["id"].as_str().unwrap());
    place.ask(Method::POST, &path, &admin, Value::Null, StatusCode::OK).await;
    eventually(PATIENCE, "the list has it", async || {
        let page = place.ask(Method::GET, "/v1/bookings", &admin, Value::Null, StatusCode::OK).await;
        page["data"][0]["status"] == "confirmed"
    })
    .await;
    eventually(PATIENCE, "the mail is there", async || {
        std::fs::read_dir(&mails).is_ok_and(|mut files| files.next().is_some())
    })
    .await;
    let hook = json!({"url": "https://example.com/hooks", "event_types": ["booking.confirmed.v1"]});
    place.ask(Method::POST, "/v1/webhook-endpoints", &admin, hook, StatusCode::CREATED).await;
    place.ask(Method::GET, "/v1/admin-actions", &admin, Value::Null, StatusCode::OK).await;
    let city = json!({"name": "Oslo"});
    place.ask(Method::POST, "/v1/cities", &admin, city, StatusCode::CREATED).await;
    let other = place.customer("zoe@example.org").await;
    let password = json!({"current_password": "correct horse battery"});
    place.ask(Method::DELETE, "/v1/users/me", &other, password, StatusCode::NO_CONTENT).await;

    for (role, sql) in [
        ("holdfast_projector", "UPDATE events SET sequence = sequence"),
        ("holdfast_projector", "INSERT INTO events SELECT * FROM events"),
        ("holdfast_projector", "SELECT email FROM users"),
        ("holdfast_notifier", "SELECT password_hash FROM users"),
        ("holdfast_notifier", "UPDATE users SET role = 'admin'"),
        ("holdfast_notifier", "DELETE FROM availability.inventories"),
        ("holdfast_relay", "SELECT * FROM users"),
        ("holdfast_relay", "DELETE FROM events"),
        ("holdfast_api", "UPDATE events SET sequence = sequence"),
        ("holdfast_api", "DELETE FROM events"),
        ("holdfast_api", "DELETE FROM admin_actions"),
        ("holdfast_api", "UPDATE admin_actions SET actor_id = gen_random_uuid()"),
        ("holdfast_api", "UPDATE role_changes SET new_role = 'customer'"),
        ("holdfast_api", "DELETE FROM booking_history.bookings"),
        ("holdfast_api", "CREATE TABLE mine (x int)"),
    ] {
        assert_eq!(state(&database, role, sql).await, NOT_ALLOWED, "{role}: {sql}");
    }
    for role in ["holdfast_api", "holdfast_relay", "holdfast_projector", "holdfast_notifier"] {
        assert_eq!(state(&database, role, "DROP TABLE events").await, NOT_ALLOWED, "{role}");
    }
    let relays = "INSERT INTO relays (relay_id, lease_until) SELECT gen_random_uuid(), now() WHERE false";
    assert_eq!(state(&database, "holdfast_relay", relays).await, "done");
}
