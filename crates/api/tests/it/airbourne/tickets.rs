//! Reminders by Airbourne's name for them. That they are sent is the notifier's (`notifier/tests`).

use super::{Client, airbourne};
use crate::app::{Answer, App};
use axum::http::Method;
use holdfast_api::users::Role;
use serde_json::{Value, json};

const PATH: &str = "/reminder/api/v1/tickets";

fn good() -> Value {
    json!({"subject": "Check in", "content": "It is <b>open</b>.", "recepientEmail": "ada@test.com",
        "notificationTime": "2030-10-14 9:49:00"})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = good();
    body[name] = value;
    body
}

async fn ask(app: &App, ada: &Client, body: &Value) -> Answer {
    ada.ask(app, Method::POST, PATH).json(body).send().await
}

async fn kept(app: &App) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM reminders").fetch_one(&app.pool).await.unwrap()
}

#[tokio::test]
async fn a_ticket_is_a_reminder_and_is_answered_as_its_clients_read_it() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    let answer = ask(&app, &ada, &with("status", json!("SUCCESS"))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let expected = concat!(
        r#"{"sucess":true,"data":{"id":1,"subject":"Check in","content":"It is <b>open</b>.","#,
        r#""recepientEmail":"ada@test.com","status":"PENDING","notificationTime":"2030-10-14T09:49:00.000Z","#,
        r#""updatedAt":"2026-05-01T12:00:00.000Z","createdAt":"2026-05-01T12:00:00.000Z"},"#,
        r#""message":"successfully registerd an email reminder","err":{}}"#
    );
    assert_eq!(answer.text, expected);
    let natively = app.get("/v1/reminders").header("x-access-token", &ada.token).send().await.ok(200);
    let reminder = &natively["data"][0];
    assert_eq!((&reminder["subject"], &reminder["status"]), (&json!("Check in"), &json!("pending")));
    assert_eq!(reminder["remind_at"], "2030-10-14T09:49:00Z");
}

#[tokio::test]
async fn a_ticket_with_a_key_is_one_reminder_and_without_one_each_is_its_own() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    let keyed = async |body: &Value| ada.ask(&app, Method::POST, PATH).key("k").json(body).send().await;
    let (first, again) = (keyed(&good()).await.ok(201), keyed(&good()).await.ok(201));
    assert_eq!((first, kept(&app).await), (again, 1));
    assert_eq!(keyed(&with("subject", json!("Other"))).await.status, 422);
    for expected in [2, 3] {
        ask(&app, &ada, &good()).await.ok(201);
        assert_eq!(kept(&app).await, expected);
    }
}

#[tokio::test]
async fn a_ticket_that_cannot_be_kept_says_so_and_is_not() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    for (name, values) in [
        ("subject", vec![Value::Null, json!(""), json!(7), json!("x".repeat(201)), json!("a\r\nBcc: eve@x")]),
        ("content", vec![Value::Null, json!(" "), json!([]), json!("x".repeat(2_001)), json!("a\u{0}b")]),
        (
            "recepientEmail",
            vec![
                Value::Null,
                json!("ada"),
                json!("ada@test.com\r\nBcc: eve@x"),
                json!("ada@test.com,eve@x"),
                json!(1),
            ],
        ),
        (
            "notificationTime",
            vec![
                Value::Null,
                json!("soon"),
                json!("2030-02-30"),
                json!(1e99),
                json!("2030-10-14T100:00:00Z"),
            ],
        ),
    ] {
        for value in values {
            let answer = ask(&app, &ada, &with(name, value.clone())).await;
            assert_eq!(answer.status, 422, "{name} {value}: {}", answer.text);
            assert!(
                answer.text.starts_with(r#"{"sucess":false,"data":{},"message":"unable"#),
                "{}",
                answer.text
            );
            assert!(answer.body["err"]["error"].as_str().unwrap().starts_with(name), "{}", answer.text);
        }
    }
    assert_eq!(app.post(PATH).json(&good()).send().await.ok(401), json!({"message": "No token provided"}));
    assert_eq!(app.post("/api/v1/tickets").json(&good()).send().await.status, 401, "past the gateway, too");
    assert_eq!(kept(&app).await, 0);
}

/// The mail relay of fault 25: whoever was signed in wrote to anybody.
#[tokio::test]
async fn fault_25_a_customer_is_written_to_at_its_own_address_alone() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    let elsewhere = with("recepientEmail", json!("eve@example.net"));
    assert_eq!(ask(&app, &ada, &elsewhere).await.status, 403);
    assert_eq!(kept(&app).await, 0);
    let own = ask(&app, &ada, &with("recepientEmail", json!("Ada@Test.com"))).await.ok(201);
    assert_eq!(own["data"]["recepientEmail"], "Ada@Test.com");
    let agent = app.someone("agent", Role::Agent).await;
    let asked = app.post(PATH).header("x-access-token", &agent.token).json(&elsewhere);
    asked.send().await.ok(201);
}
