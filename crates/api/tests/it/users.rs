//! Accounts, passwords, tokens.

use crate::app::{App, PASSWORD, PATIENCE, Someone};
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_ambient::Machine;
use holdfast_api::users::{self, Role, UserError};
use holdfast_testkit::eventually;
use serde_json::json;

#[tokio::test]
async fn who_signs_up_can_sign_in_and_is_told_who_they_are() {
    let app = App::new().await;
    let account = json!({"email": "Ada@Example.com", "password": PASSWORD});
    let made = app.post("/v1/users").json(&account).send().await;
    assert_eq!(made.header("location"), "/v1/users/me");
    let made = made.ok(201);
    assert_eq!((&made["email"], &made["role"]), (&json!("Ada@Example.com"), &json!("customer")));
    assert!(made.get("password").is_none() && !made.to_string().contains("argon2"));
    let ada = app.signed_in("ada@example.COM").await;
    assert_eq!(app.get("/v1/users/me").by(&ada).send().await.ok(200), made);
}

#[tokio::test]
async fn an_address_has_one_account_whatever_its_letters_case() {
    let app = App::new().await;
    let account = |email: &str| json!({"email": email, "password": PASSWORD});
    app.post("/v1/users").json(&account("ada@example.com")).send().await.ok(201);
    let taken = app.post("/v1/users").json(&account("ADA@example.com")).send().await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, "email_taken"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_the_same() {
    let app = App::new().await;
    app.customer("ada").await;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let credentials = json!({"email": email, "password": "wrong password"});
        let answer = app.post("/v1/sessions").json(&credentials).send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "invalid_credentials"));
        answers.push(answer.text);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_token_ends_with_its_hour() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    app.clock.advance(TimeDelta::minutes(59));
    app.get("/v1/users/me").by(&ada).send().await.ok(200);
    app.clock.advance(TimeDelta::minutes(1));
    let late = app.get("/v1/users/me").by(&ada).send().await;
    assert_eq!((late.status.as_u16(), late.code()), (401, "unauthenticated"));
    assert_eq!(late.header("www-authenticate"), "Bearer realm=\"holdfast\"");
}

#[tokio::test]
async fn the_token_is_taken_from_either_header() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let me = app.get("/v1/users/me").header("x-access-token", &ada.token).send().await.ok(200);
    assert_eq!(me["id"], ada.id.as_str());
}

/// The role is not in the token. Without the look into `users`, a deleted account would live for an hour.
#[tokio::test]
async fn a_deleted_user_is_nobody_and_a_changed_role_counts_within_its_ttl() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let role = async |who: &Someone| app.get("/v1/users/me").by(who).send().await.body["role"].clone();
    assert_eq!(role(&ada).await, "customer");
    users::set_role(&app.pool, "ADA@example.com", Role::Admin).await.unwrap();
    eventually(PATIENCE, "Ada may open a show", async || {
        app.post("/v1/shows").by(&ada).key("k").json(&crate::app::show(1, 0)).send().await.status == 201
    })
    .await;
    users::delete(&app.pool, "ada@example.com").await.unwrap();
    eventually(PATIENCE, "Ada is nobody", async || {
        app.get("/v1/users/me").by(&ada).send().await.code() == "unauthenticated"
    })
    .await;
}

#[tokio::test]
async fn a_rush_of_sign_ins_is_answered_or_told_to_come_again_and_nothing_else() {
    let app = App::new().await;
    app.customer("ada").await;
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let answers = join_all((0..60).map(|_| app.post("/v1/sessions").json(&credentials).send())).await;
    let overloaded: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!overloaded.is_empty() && overloaded.len() < 60);
    for answer in overloaded {
        assert_eq!((answer.code(), answer.header("retry-after")), ("overloaded", "1"));
    }
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 201 | 503)));
}

#[tokio::test]
async fn an_operator_changes_roles_and_passwords_of_accounts_that_exist() {
    let app = App::new().await;
    assert!(!users::has_admin(&app.pool).await.unwrap());
    users::create(&app.pool, &Machine, "root@example.com", PASSWORD, Role::Admin).await.unwrap();
    assert!(users::has_admin(&app.pool).await.unwrap());
    let unknown = users::set_role(&app.pool, "other@example.com", Role::Agent).await;
    assert!(matches!(unknown, Err(UserError::Unknown)));
    let set = async |email, password| users::set_password(&app.pool, &Machine, email, password).await;
    assert!(matches!(set("other@example.com", PASSWORD).await, Err(UserError::Unknown)));
    let long = "long".repeat(33);
    for wrong in ["short", &long] {
        assert!(matches!(set("root@example.com", wrong).await, Err(UserError::Password)));
    }
    set("Root@example.com", "another good password").await.unwrap();
    for (password, status) in [(PASSWORD, 401), ("another good password", 201)] {
        let credentials = json!({"email": "root@example.com", "password": password});
        assert_eq!(app.post("/v1/sessions").json(&credentials).send().await.status, status);
    }
}
