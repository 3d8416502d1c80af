//! What was accepted is never answered with "nothing was done".

use crate::app::App;
use serde_json::json;
use std::time::Duration;

/// Slow reads hold every connection. A confirmation and a cancellation commit over the writer's own; their answers
/// need no other.
#[tokio::test]
async fn a_confirmation_and_a_cancellation_are_answered_while_every_connection_is_busy() {
    let app = App::with(|config| config.role_ttl = Duration::from_secs(3_600)).await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let booking = app.booking(&ada, &show, 2).await;
    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    app.get(&path).by(&ada).send().await.ok(200);

    let mut busy = Vec::new();
    for _ in 0..app.pool.options().get_max_connections() {
        busy.push(app.pool.acquire().await.unwrap());
    }
    let confirmed = app.post(&format!("{path}/confirm")).by(&ada).send().await.ok(200);
    let cancelled =
        app.post(&format!("{path}/cancel")).by(&ada).json(&json!({"reason": "rain"})).send().await.ok(200);
    drop(busy);

    assert_eq!((&confirmed["status"], &confirmed["ended_at"]), (&json!("confirmed"), &json!(null)));
    assert_eq!(confirmed["total"], booking["total"]);
    assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("cancelled"), &json!("rain")));
    assert_eq!(cancelled["confirmed_at"], confirmed["confirmed_at"]);
    assert_eq!(app.get(&path).by(&ada).send().await.ok(200), cancelled);
}

/// An answer that has to be read after the command: the read fails, and the client is asked to come again.
#[tokio::test]
async fn an_answer_that_cannot_be_read_after_the_commit_is_an_unknown_outcome() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let booking = app.booking(&ada, &show, 2).await;
    let cancel = format!("/v1/bookings/{}/cancel", booking["id"].as_str().unwrap());
    let first = app.post(&cancel).by(&ada).send().await.ok(200);
    proxy.lose_requests(|sql| sql.contains("sequence = ANY"));
    let lost = app.post(&cancel).by(&ada).send().await;
    assert_eq!((lost.status.as_u16(), lost.code()), (503, "outcome_unknown"), "{}", lost.text);
    assert!(proxy.losses() > 0);
    proxy.pass();
    assert_eq!(app.post(&cancel).by(&ada).send().await.ok(200), first);
}
