//! Health and metrics.

use crate::app::App;
use holdfast_testkit::eventually;
use serde_json::json;

#[tokio::test]
async fn a_server_that_can_take_bookings_is_ready_and_says_why() {
    let app = App::new().await;
    assert_eq!(app.get("/health/live").send().await.text, "alive\n");
    let ready = app.get("/health/ready").send().await.ok(200);
    assert_eq!(
        ready,
        json!({
            "ready": true, "log": {"ready": true}, "writer": {"ready": true, "owned": 4, "partitions": 4},
            "projectors": [
                {"name": "availability", "state": "elsewhere", "reason": null, "lag_events": 0, "parked_streams": 0},
                {"name": "booking-history", "state": "elsewhere", "reason": null, "lag_events": 0, "parked_streams": 0},
            ]
        })
    );
    let admin = app.admin().await;
    app.show(&admin, 10, 0).await;
    let behind = app.get("/health/ready").send().await.ok(200);
    assert_eq!(behind["projectors"][1]["lag_events"], 1, "nobody projects here: {behind}");
}

#[tokio::test]
async fn a_server_whose_postgres_is_gone_is_alive_but_not_ready_and_says_which_part_is_not() {
    let (app, proxy) = App::behind_proxy().await;
    proxy.refuse();
    proxy.cut();
    let unready = app.get("/health/ready").send().await.ok(503);
    assert_eq!((&unready["ready"], &unready["log"]["ready"]), (&json!(false), &json!(false)));
    assert_eq!(app.get("/health/live").send().await.status, 200);
    proxy.pass();
    eventually(crate::app::PATIENCE, "it is ready again, by itself", async || {
        app.get("/health/ready").send().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let app = App::new().await;
    for id in ["a", "b"] {
        app.get(&format!("/v1/shows/{id}")).send().await;
    }
    let metrics = app.get("/metrics").send().await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let counted = r#"holdfast_http_requests_total{method="GET",route="/v1/shows/{id}",status="4xx"} 2"#;
    assert!(metrics.text.contains(counted), "{}", metrics.text);
}
