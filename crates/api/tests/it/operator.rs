//! Health and metrics.

use crate::app::App;
use chrono::TimeDelta;
use holdfast_testkit::eventually;
use serde_json::{Value, json};
use sqlx::Executor;

/// What `/health/ready` shows of a follower.
fn shown(follower: &str, state: &str, reason: Value, lag: (Value, Value)) -> Value {
    let parked = if lag.0.is_null() { Value::Null } else { json!(0) };
    json!({
        "follower": follower, "state": state, "reason": reason, "lag_events": lag.0, "lag_seconds": lag.1,
        "parked_streams": parked,
    })
}

#[tokio::test]
async fn a_server_that_can_take_bookings_is_ready_and_says_why() {
    let app = App::new().await;
    assert_eq!(app.operator("/health/live").send().await.text, "alive\n");
    let ready = app.operator("/health/ready").send().await.ok(200);
    let not_begun = json!("nothing has run it yet, or it is no part of this installation");
    let absent = |name| shown(name, "not_there", not_begun.clone(), (Value::Null, Value::Null));
    let followers = ["topic", "availability", "booking-history", "notifier"];
    assert_eq!(
        ready,
        json!({
            "ready": true, "log": {"ready": true}, "writer": {"ready": true, "owned": 4, "partitions": 4},
            "projectors": [], "flow": followers.map(absent), "first_admin_password_unchanged": false
        })
    );
}

/// Which part fails, how long the log is and who writes it are no client's business.
#[tokio::test]
async fn clients_learn_whether_the_server_is_ready_and_no_more() {
    let (app, proxy) = App::behind_proxy().await;
    assert_eq!(app.get("/health/live").send().await.text, "alive\n");
    assert_eq!(app.get("/health/ready").send().await.ok(200), json!({"ready": true}));
    assert_eq!(app.get("/metrics").send().await.status, 404);
    proxy.refuse();
    proxy.cut();
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.get("/health/ready").send().await.ok(503), json!({"ready": false}));
}

/// Bookings do not wait for followers of the log.
#[tokio::test]
async fn followers_that_are_behind_are_shown_and_the_server_is_ready_all_the_same() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.show(&admin, 10, 0).await;
    app.project().await;
    app.pool.execute("INSERT INTO topic_positions VALUES (0, 0, now())").await.unwrap();
    app.clock.advance(TimeDelta::seconds(12));
    app.show(&admin, 10, 0).await;
    app.clock.advance(TimeDelta::seconds(8));
    let ready = app.operator("/health/ready").send().await.ok(200);
    assert_eq!((&ready["ready"], ready["flow"].as_array().unwrap().len()), (&json!(true), 4));
    let old = json!("an event that it does not have is older than 10 s");
    assert_eq!(ready["flow"][0], shown("topic", "behind", old, (json!(2), json!(20.0))));
    let current = |name| shown(name, "current", Value::Null, (json!(1), json!(8.0)));
    assert_eq!(ready["flow"][1], current("availability"));
    assert_eq!(ready["flow"][2], current("booking-history"));
}

#[tokio::test]
async fn a_server_whose_postgres_is_gone_is_alive_but_not_ready_and_says_which_part_is_not() {
    let (app, proxy) = App::behind_proxy().await;
    proxy.refuse();
    proxy.cut();
    let unready = app.operator("/health/ready").send().await.ok(503);
    assert_eq!((&unready["ready"], &unready["log"]["ready"]), (&json!(false), &json!(false)));
    assert_eq!(unready["flow"], Value::Null);
    assert_eq!(app.get("/health/live").send().await.status, 200);
    proxy.pass();
    eventually(crate::app::PATIENCE, "it is ready again, by itself", async || {
        app.clock.advance(TimeDelta::seconds(1));
        app.operator("/health/ready").send().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let app = App::new().await;
    for id in ["a", "b"] {
        app.get(&format!("/v1/shows/{id}")).send().await;
    }
    let metrics = app.operator("/metrics").send().await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let counted = r#"holdfast_http_requests_total{method="GET",route="/v1/shows/{id}",status="4xx"} 2"#;
    assert!(metrics.text.contains(counted), "{}", metrics.text);
}
