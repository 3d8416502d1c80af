//! Guests: agents book for customers without an account.

use crate::app::{App, Someone};
use axum::http::Method;
use holdfast_api::users::{Role, addresses_of};
use holdfast_domain::UserId;
use serde_json::{Value, json};
use std::collections::HashMap;

fn grace() -> Value {
    json!({"email": "Grace@Example.com", "name": "Grace Hopper"})
}

async fn guest(app: &App, agent: &Someone) -> String {
    let made = app.post("/v1/guests").by(agent).key("grace").json(&grace()).send().await.ok(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn addresses(app: &App, guest: &str) -> HashMap<UserId, String> {
    addresses_of(&app.pool, &[UserId(guest.parse().unwrap())]).await.unwrap()
}

#[tokio::test]
async fn an_agent_books_for_a_customer_without_an_account() {
    let app = App::new().await;
    let (admin, agent) = (app.admin().await, app.someone("agent", Role::Agent).await);
    let ada = app.customer("ada").await;
    let show = app.show(&admin, 10, 900).await;
    let guest = guest(&app, &agent).await;
    let path = format!("/v1/guests/{guest}");
    let known = app.get(&path).by(&agent).send().await.ok(200);
    assert_eq!((&known["email"], &known["name"]), (&json!("grace@example.com"), &json!("Grace Hopper")));
    let body = json!({"inventory_id": show, "quantity": 2, "user_id": guest});
    let booking = app.post("/v1/bookings").by(&agent).key("b").json(&body).send().await.ok(201);
    assert_eq!(booking["user_id"], guest);
    let path = format!("/v1/bookings/{}/confirm", booking["id"].as_str().unwrap());
    app.post(&path).by(&agent).send().await.ok(200);
    app.post("/v1/bookings").by(&ada).key("b").json(&body).send().await.ok(403);
    assert_eq!(addresses(&app, &guest).await.into_values().collect::<Vec<_>>(), ["grace@example.com"]);
    let events: String = sqlx::query_scalar("SELECT string_agg(e::text, ' ') FROM events e")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert!(!events.to_lowercase().contains("grace"), "{events}");
}

#[tokio::test]
async fn a_key_makes_one_guest_and_none_again_after_it_was_erased() {
    let app = App::new().await;
    let agent = app.someone("agent", Role::Agent).await;
    let first = guest(&app, &agent).await;
    let again = app.post("/v1/guests").by(&agent).key("grace").json(&grace()).send().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201)["id"], first);
    let other = json!({"email": "grace@example.com", "name": "Another"});
    let other = app.post("/v1/guests").by(&agent).key("grace").json(&other).send().await;
    assert_eq!(other.code(), "idempotency_key_reused");
    app.ask(Method::DELETE, &format!("/v1/guests/{first}")).by(&agent).send().await.ok(204);
    let erased = app.post("/v1/guests").by(&agent).key("grace").json(&grace()).send().await;
    assert_eq!(erased.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn an_erased_guest_leaves_its_bookings_and_an_id_that_names_no_person() {
    let app = App::new().await;
    let (admin, agent) = (app.admin().await, app.someone("agent", Role::Agent).await);
    let show = app.show(&admin, 10, 900).await;
    let guest = guest(&app, &agent).await;
    let body = json!({"inventory_id": show, "quantity": 1, "user_id": guest});
    let book = |key: &'static str| app.post("/v1/bookings").by(&agent).key(key).json(&body);
    let booking = book("one").send().await.ok(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/guests/{guest}");
    let erase = async || app.ask(Method::DELETE, &path).by(&agent).send().await.status.as_u16();
    assert_eq!((erase().await, erase().await), (204, 404));
    app.get(&path).by(&agent).send().await.ok(404);
    app.get(&format!("/v1/bookings/{booking}")).by(&agent).send().await.ok(200);
    assert_eq!(book("two").send().await.pointers(), ["/user_id"]);
    assert_eq!(book("one").send().await.ok(201)["id"], booking, "the first answer is owed all the same");
    assert!(addresses(&app, &guest).await.is_empty());
    let row: String =
        sqlx::query_scalar("SELECT guests::text FROM guests").fetch_one(&app.pool).await.unwrap();
    assert!(!row.to_lowercase().contains("grace"), "{row}");
}
