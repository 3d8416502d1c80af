//! Sending a request again has one effect and the first answer.

use crate::app::{App, show};
use futures::future::join_all;
use serde_json::json;
use std::collections::HashSet;

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer_whatever_became_of_it_since() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let first = app.reserve(&ada, &show, 2, "k").send().await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let path = first.header("location").to_owned();
    app.post(&format!("{path}/confirm")).by(&ada).send().await.ok(200);
    let again = app.reserve(&ada, &show, 2, "k").send().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (first.status, "true"));
    assert_eq!((&again.text, again.header("location")), (&first.text, path.as_str()));
    assert_eq!(app.events().await, 3);
}

#[tokio::test]
async fn blanks_and_the_order_of_fields_do_not_make_another_request() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let bodies = [
        format!(r#"{{"inventory_id":"{show}","quantity":2}}"#),
        format!(
            "{{ \"quantity\" : 2,\n \"inventory_id\" : \"{}\", \"user_id\": null }}",
            show.to_uppercase()
        ),
    ];
    for (body, replayed) in bodies.into_iter().zip(["", "true"]) {
        let answer = app.post("/v1/bookings").by(&ada).key("k").raw("application/json", body).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("idempotency-replayed")), (201, replayed));
    }
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused_and_does_nothing() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    app.reserve(&ada, &show, 2, "k").send().await.ok(201);
    let events = app.events().await;
    let other = app.reserve(&ada, &show, 3, "k").send().await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "idempotency_key_reused"));
    assert_eq!(app.events().await, events);
}

#[tokio::test]
async fn a_key_belongs_to_who_sent_it_and_to_the_route() {
    let app = App::new().await;
    let (admin, ada, bob) = (app.admin().await, app.customer("ada").await, app.customer("bob").await);
    let shown = app.post("/v1/shows").by(&admin).key("k").json(&show(10, 900)).send().await.ok(201);
    let shown = shown["id"].as_str().unwrap();
    let adas = app.reserve(&ada, shown, 1, "k").send().await.ok(201);
    let bobs = app.reserve(&bob, shown, 1, "k").send().await.ok(201);
    let admins = app.reserve(&admin, shown, 1, "k").send().await.ok(201);
    let ids: HashSet<_> = [&adas, &bobs, &admins].map(|booking| booking["id"].as_str().unwrap()).into();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn twenty_at_once_with_one_key_are_one_booking() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let answers = join_all((0..20).map(|_| app.reserve(&ada, &show, 1, "k").send())).await;
    let texts: HashSet<_> =
        answers.iter().map(|answer| (answer.status.as_u16(), answer.text.clone())).collect();
    assert_eq!(texts.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty()).count(), 1);
    assert_eq!(app.events().await, 2);
}

#[tokio::test]
async fn commands_of_the_house_and_on_a_booking_take_a_key_too() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let block = json!({"quantity": 5, "reason": "sound_desk"});
    let blocked = async |key: Option<&str>| {
        let asked = app.post(&format!("/v1/inventories/{show}/block")).by(&admin).json(&block);
        let asked = key.into_iter().fold(asked, |asked, key| asked.key(key));
        asked.send().await.ok(200)["blocked"].clone()
    };
    assert_eq!((blocked(Some("b")).await, blocked(Some("b")).await), (json!(5), json!(5)));
    assert_eq!((blocked(None).await, blocked(None).await), (json!(10), json!(15)));

    let booking = app.booking(&ada, &show, 1).await;
    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    let confirmed = app.post(&format!("{path}/confirm")).by(&ada).key("c").send().await.ok(200);
    app.post(&format!("{path}/cancel")).by(&ada).send().await.ok(200);
    let again = app.post(&format!("{path}/confirm")).by(&ada).key("c").send().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(200), confirmed);
}
