//! Where one is signed in: the list of sessions, and ending some of them.

use crate::app::{App, PASSWORD, PATIENCE, Someone};
use axum::http::Method;
use chrono::TimeDelta;
use holdfast_ambient::{Ambient, Machine};
use serde_json::{Value, json};
use uuid::Uuid;

async fn list(app: &App, who: &Someone) -> Vec<Value> {
    app.get("/v1/sessions").by(who).send().await.ok(200)["data"].as_array().unwrap().clone()
}

async fn end(app: &App, who: &Someone, path: &str) -> u16 {
    app.ask(Method::DELETE, path).by(who).send().await.status.as_u16()
}

async fn is_signed_in(app: &App, who: &Someone) -> bool {
    app.get("/v1/users/me").by(who).send().await.status == 200
}

async fn sign_in(app: &App, agent: &str) -> (Someone, String) {
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let session =
        app.post("/v1/sessions").header("user-agent", agent).json(&credentials).send().await.ok(201);
    let text = |field: &str| session[field].as_str().unwrap().to_owned();
    (Someone { id: text("user_id"), token: text("token") }, text("id"))
}

#[tokio::test]
async fn owners_see_their_own_sessions_and_which_one_asks() {
    let app = App::new().await;
    app.customer("bob").await;
    app.customer("ada").await;
    let (phone, phone_id) = sign_in(&app, &"p".repeat(300)).await;
    let sessions = list(&app, &phone).await;
    assert_eq!(sessions.len(), 2, "none of bob's");
    assert_eq!((&sessions[0]["id"], &sessions[0]["is_current"]), (&json!(phone_id), &json!(true)));
    assert_eq!(sessions[0]["client"], "p".repeat(100));
    assert_eq!((&sessions[1]["client"], &sessions[1]["is_current"]), (&Value::Null, &json!(false)));

    let first = app.get("/v1/sessions?limit=1").by(&phone).send().await.ok(200);
    let cursor = first["meta"]["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/v1/sessions?limit=1&cursor={cursor}")).by(&phone).send().await.ok(200);
    assert_eq!((&first["data"][0], &second["data"][0]), (&sessions[0], &sessions[1]));

    app.clock.advance(TimeDelta::hours(1));
    let later = app.signed_in("ada@example.com").await;
    assert_eq!(list(&app, &later).await.len(), 1, "the others have expired");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(kept, 1, "what has expired is thrown away, and what was known of its client with it");
}

#[tokio::test]
async fn an_ended_session_is_refused_at_once_and_only_its_owner_ends_it() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let (here, bob) = (app.customer("ada").await, app.customer("bob").await);
    let (lost, lost_id) = sign_in(&app, "phone").await;
    assert!(is_signed_in(&app, &lost).await);
    let path = format!("/v1/sessions/{lost_id}");
    assert_eq!(end(&app, &bob, &path).await, 404);
    assert!(is_signed_in(&app, &lost).await);
    assert_eq!((end(&app, &here, &path).await, end(&app, &here, &path).await), (204, 404));
    assert!(!is_signed_in(&app, &lost).await);
    assert!(is_signed_in(&app, &here).await);
    assert_eq!(list(&app, &here).await.len(), 1);
}

#[tokio::test]
async fn all_other_sessions_end_at_once_and_the_current_one_stays() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let (old, bob) = (app.customer("ada").await, app.customer("bob").await);
    let here = app.signed_in("ada@example.com").await;
    let new = app.signed_in("ada@example.com").await;
    for who in [&old, &here, &new, &bob] {
        assert!(is_signed_in(&app, who).await);
    }
    assert_eq!(end(&app, &here, "/v1/sessions").await, 204);
    assert!(!is_signed_in(&app, &old).await && !is_signed_in(&app, &new).await);
    assert!(is_signed_in(&app, &here).await && is_signed_in(&app, &bob).await);
    assert_eq!(list(&app, &here).await.len(), 1);
}

/// More than can be listed one by one: they end by their ids.
#[tokio::test]
async fn ending_hundreds_of_other_sessions_leaves_the_current_one() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let old = app.customer("ada").await;
    begun(&app, &old, 300).await;
    let here = app.signed_in("ada@example.com").await;
    assert_eq!(end(&app, &here, "/v1/sessions").await, 204);
    assert!(!is_signed_in(&app, &old).await);
    assert!(is_signed_in(&app, &here).await);
    let again = app.signed_in("ada@example.com").await;
    assert!(is_signed_in(&app, &again).await, "later tokens are good");
}

#[tokio::test]
async fn the_oldest_session_ends_for_the_one_beyond_a_thousand() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let oldest = app.customer("ada").await;
    let second = app.signed_in("ada@example.com").await;
    begun(&app, &oldest, 998).await;
    assert!(is_signed_in(&app, &oldest).await);
    let newest = app.signed_in("ada@example.com").await;
    assert!(!is_signed_in(&app, &oldest).await);
    assert!(is_signed_in(&app, &second).await && is_signed_in(&app, &newest).await);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(kept, 1_000);
}

/// Sign-ins of an account, as many as a client makes within the hour.
async fn begun(app: &App, who: &Someone, count: usize) {
    let ids: Vec<Uuid> = (0..count).map(|_| Machine.new_id()).collect();
    sqlx::query(
        "INSERT INTO sessions (user_id, session_id, token_generation, created_at, expires_at)
         SELECT $1::uuid, id, 0, now(), '2100-01-01' FROM unnest($2::uuid[]) AS id",
    )
    .bind(who.id.parse::<Uuid>().unwrap())
    .bind(ids)
    .execute(&app.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn another_password_leaves_no_session_in_the_list() {
    let app = App::new().await;
    let before = app.customer("ada").await;
    app.signed_in("ada@example.com").await;
    let body = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    app.put("/v1/users/me/password").by(&before).json(&body).send().await.ok(204);
    let after = app.signed_in("ada@example.com").await;
    assert_eq!(list(&app, &after).await.len(), 1);
}

#[tokio::test]
async fn a_sign_in_by_airbournes_contract_is_in_the_list() {
    let app = App::with(|config| config.compat = true).await;
    let here = app.customer("ada").await;
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let there = app.post("/api/v1/signin").header("user-agent", "k6").json(&credentials).send().await.ok(200);
    let there = Someone { id: here.id.clone(), token: there["data"]["token"].as_str().unwrap().to_owned() };
    let sessions = list(&app, &here).await;
    assert_eq!((sessions.len(), &sessions[0]["client"]), (2, &json!("k6")));
    assert_eq!(end(&app, &here, "/v1/sessions").await, 204);
    assert!(!is_signed_in(&app, &there).await);
}

/// A server of the build before this table signs in without a row, and knows what has ended by `ended_tokens`.
#[tokio::test]
async fn a_token_without_a_row_is_good_and_what_ends_is_known_to_the_build_before() {
    let app = App::new().await;
    let of_old_build = app.customer("ada").await;
    sqlx::query("DELETE FROM sessions").execute(&app.pool).await.unwrap();
    assert!(is_signed_in(&app, &of_old_build).await);
    assert_eq!(list(&app, &of_old_build).await.len(), 0);
    let (_, id) = sign_in(&app, "x").await;
    assert_eq!(end(&app, &of_old_build, &format!("/v1/sessions/{id}")).await, 204);
    let ended: Vec<Uuid> =
        sqlx::query_scalar("SELECT token_id FROM ended_tokens").fetch_all(&app.pool).await.unwrap();
    assert_eq!(ended, [id.parse::<Uuid>().unwrap()]);
    assert_eq!(end(&app, &of_old_build, "/v1/sessions/current").await, 204);
    assert!(!is_signed_in(&app, &of_old_build).await);
}
