//! Postgres gone and back: refused within a second, nothing acknowledged, and well again by itself.

use crate::app::{Answer, App, PATIENCE};
use holdfast_testkit::eventually;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// A second, and what a busy test machine adds.
const REFUSED_WITHIN: Duration = Duration::from_millis(2_500);

fn assert_unavailable(answer: &Answer) {
    let codes = ["store_unavailable", "outcome_unknown", "overloaded"];
    assert!(answer.status == 503 && codes.contains(&answer.code()), "{} {}", answer.status, answer.text);
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn bookings_go_200_503_200_as_postgres_goes_and_comes_back() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let booking = app.booking(&ada, &show, 1).await;
    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    proxy.refuse();
    proxy.cut();
    let asked = Instant::now();
    assert_unavailable(&app.reserve(&ada, &show, 1, "k").send().await);
    assert!(asked.elapsed() < REFUSED_WITHIN);
    eventually(PATIENCE, "the writer is not ready", async || {
        app.operator("/health/ready").send().await.ok(503)["writer"]["ready"] == false
    })
    .await;
    for asked in [app.get(&path).by(&ada), app.get("/v1/bookings").by(&ada), app.get("/v1/shows")] {
        assert_unavailable(&asked.send().await);
    }
    let monitor = app.post("/api/v1/events").json(&json!({"name": "x", "total_tickets": 1})).send().await;
    assert_eq!((monitor.status.as_u16(), monitor.header("retry-after")), (503, "1"));
    assert_eq!(monitor.body, json!({"error": "service temporarily unavailable; retry"}));
    proxy.pass();
    eventually(PATIENCE, "the same request again is booked", async || {
        app.reserve(&ada, &show, 1, "k").send().await.status == 201
    })
    .await;
    assert_eq!(app.get(&path).by(&ada).send().await.ok(200), booking);
}

/// A database that answers nothing is worse than none: every wait has its bound.
#[tokio::test]
async fn a_postgres_that_hangs_is_not_waited_for() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    proxy.stall();
    for asked in [app.reserve(&ada, &show, 1, "k"), app.get("/v1/bookings").by(&ada), app.get("/v1/shows")] {
        let began = Instant::now();
        assert_unavailable(&asked.send().await);
        assert!(began.elapsed() < REFUSED_WITHIN, "{:?}", began.elapsed());
    }
}

/// The append is lost on its way back: the client cannot know, is told so, and its second try is answered
/// with the one booking there is.
#[tokio::test]
async fn a_lost_answer_is_settled_by_sending_the_request_again() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let events = app.events().await;
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO events"));
    let mut answers = vec![app.reserve(&ada, &show, 1, "k").send().await];
    eventually(PATIENCE, "it is booked", async || {
        answers.push(app.reserve(&ada, &show, 1, "k").send().await);
        answers.last().unwrap().status == 201
    })
    .await;
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 201 | 503)));
    assert_eq!((proxy.losses(), app.events().await), (1, events + 1));
}
