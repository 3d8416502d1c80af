//! API keys: what they may do, and when they may not any more.

use crate::{
    app::{App, PASSWORD, PATIENCE, Someone},
    questions::watch,
};
use axum::http::Method;
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_api::{ApiConfig, QuotaRule, Quotas, RateLimits, users::Role};
use holdfast_testkit::eventually;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// A key with these scopes, and its owner's id; used as a token is.
async fn key(app: &App, owner: &Someone, scopes: &[&str]) -> Someone {
    made(app, owner, json!({"name": "desk", "scopes": scopes})).await.0
}

/// The key, and its own id.
async fn made(app: &App, owner: &Someone, body: Value) -> (Someone, String) {
    let made = app.post("/v1/api-keys").by(owner).json(&body).send().await.ok(201);
    let key = Someone { id: owner.id.clone(), token: made["key"].as_str().unwrap().to_owned() };
    (key, made["id"].as_str().unwrap().to_owned())
}

async fn list(app: &App, owner: &Someone) -> Vec<Value> {
    app.get("/v1/api-keys").by(owner).send().await.ok(200)["data"].as_array().unwrap().clone()
}

async fn status(app: &App, path: &str, who: &Someone) -> u16 {
    app.get(path).by(who).send().await.status.as_u16()
}

/// Every scope that an operation of the document needs.
fn all_scopes(app: &App) -> BTreeSet<String> {
    let operations = app.document()["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    let words = operations.filter_map(|operation| operation["x-api-key-scope"].as_str());
    words.filter(|word| *word != "none").map(str::to_owned).collect()
}

/// Every operation that asks who calls: with all scopes but its own it is refused and named, with its own alone it is not.
#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let app = App::new().await;
    let admin = app.admin().await;
    let all = all_scopes(&app);
    let (mut scoped, mut persons) = (0, 0);
    for scope in &all {
        let others: Vec<_> = all.iter().filter(|other| *other != scope).map(String::as_str).collect();
        let (with, with_id) = made(&app, &admin, json!({"name": "with", "scopes": [scope]})).await;
        let (without, without_id) = made(&app, &admin, json!({"name": "without", "scopes": others})).await;
        for (path, item) in app.document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let Some(needed) = operation["x-api-key-scope"].as_str() else {
                    assert!(!operation["security"].is_array(), "{method} {path} says nothing of keys");
                    continue;
                };
                if needed != scope && needed != "none" {
                    continue;
                }
                let id = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";
                let path = path.replace("{id}", id).replace("{delivery_id}", id);
                let method: Method = method.to_uppercase().parse().unwrap();
                let ask = |key| app.ask(method.clone(), &path).by(key).key("k").header("if-match", "*");
                let (granted, refused) = (ask(&with).send().await, ask(&without).send().await);
                if needed == "none" {
                    assert_eq!(
                        (granted.status.as_u16(), granted.code()),
                        (403, "sign_in_required"),
                        "{path}"
                    );
                    persons += 1;
                    continue;
                }
                assert!(!matches!(granted.status.as_u16(), 401 | 403), "{method} {path}: {}", granted.text);
                assert_eq!((refused.status.as_u16(), refused.code()), (403, "scope_missing"), "{path}");
                assert_eq!(refused.body["scope"], **scope, "{path}");
                scoped += 1;
            }
        }
        for id in [with_id, without_id] {
            let path = format!("/v1/api-keys/{id}");
            app.ask(Method::DELETE, &path).by(&admin).send().await.ok(204);
        }
    }
    assert!(scoped > 40 && persons > 5, "{scoped} {persons}");
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let (key, id) = made(&app, &ada, json!({"name": "desk", "scopes": ["accounts:read"]})).await;
    assert!(key.token.starts_with("hfk_"));
    assert_eq!(app.get("/v1/users/me").by(&key).send().await.ok(200)["id"], ada.id);
    let listed = list(&app, &ada).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&json!(id), &json!("desk")));
    assert_eq!(listed[0]["key"], Value::Null);
    let kept: String =
        sqlx::query_scalar("SELECT api_keys::text FROM api_keys").fetch_one(&app.pool).await.unwrap();
    assert!(!kept.contains(&key.token[30..]), "{kept}");
    let other_secret = Someone { token: format!("{}A", &key.token[..67]), ..key.clone() };
    let other_secret = match other_secret.token == key.token {
        true => Someone { token: format!("{}E", &key.token[..67]), ..key.clone() },
        false => other_secret,
    };
    assert_eq!(status(&app, "/v1/users/me", &other_secret).await, 401);
    assert_eq!(app.get("/v1/users/me").header("x-access-token", &key.token).send().await.status, 200);
}

#[tokio::test]
async fn a_key_that_was_deleted_or_has_expired_is_refused() {
    let app = App::new().await;
    let (ada, bob) = (app.customer("ada").await, app.customer("bob").await);
    let (deleted, id) = made(&app, &ada, json!({"name": "a", "scopes": ["accounts:read"]})).await;
    let until = (app.clock.now() + TimeDelta::minutes(5)).to_rfc3339();
    let body = json!({"name": "b", "scopes": ["accounts:read"], "expires_at": until});
    let (expires, _) = made(&app, &ada, body.clone()).await;
    for key in [&deleted, &expires] {
        assert_eq!(status(&app, "/v1/users/me", key).await, 200);
    }
    let path = format!("/v1/api-keys/{id}");
    app.ask(Method::DELETE, &path).by(&bob).send().await.ok(404);
    app.ask(Method::DELETE, &path).by(&ada).send().await.ok(204);
    assert_eq!(status(&app, "/v1/users/me", &deleted).await, 401);
    app.clock.advance(TimeDelta::minutes(5));
    assert_eq!(status(&app, "/v1/users/me", &expires).await, 401);
    let past = app.post("/v1/api-keys").by(&ada).json(&body).send().await;
    assert_eq!(past.pointers(), ["/expires_at"]);
}

#[tokio::test]
async fn a_key_never_does_more_than_its_owners_role_and_goes_with_the_account() {
    let app = App::new().await;
    let (admin, agent) = (app.admin().await, app.someone("agent", Role::Agent).await);
    let refused = json!({"name": "a", "scopes": ["bookings:read", "flights:admin"]});
    let refused = app.post("/v1/api-keys").by(&agent).json(&refused).send().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "forbidden"));
    let other = app.someone("other", Role::Admin).await;
    let owned = key(&app, &other, &["accounts:read"]).await;
    assert_eq!(status(&app, "/v1/users", &owned).await, 200);
    let demoted = json!({"role": "customer"});
    app.put(&format!("/v1/users/{}/role", other.id)).by(&admin).json(&demoted).send().await.ok(200);
    assert_eq!(
        (status(&app, "/v1/users", &owned).await, status(&app, "/v1/users/me", &owned).await),
        (403, 200)
    );
    holdfast_api::users::delete(&app.pool, "other@example.com", app.clock.now()).await.unwrap();
    eventually(PATIENCE, "the key ends", async || status(&app, "/v1/users/me", &owned).await == 401).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM api_keys").fetch_one(&app.pool).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn another_password_ends_sessions_and_no_key() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let program = key(&app, &ada, &["accounts:read"]).await;
    let body = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    app.put("/v1/users/me/password").by(&ada).json(&body).send().await.ok(204);
    assert_eq!(
        (status(&app, "/v1/users/me", &ada).await, status(&app, "/v1/users/me", &program).await),
        (401, 200)
    );
}

#[tokio::test]
async fn an_account_has_at_most_ten_keys() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    for _ in 0..10 {
        key(&app, &ada, &["accounts:read"]).await;
    }
    let body = json!({"name": "a", "scopes": ["accounts:read"]});
    let refused = app.post("/v1/api-keys").by(&ada).json(&body).send().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "too_many_api_keys"));
    assert_eq!(list(&app, &ada).await.len(), 10);
}

/// The hot path by a key is that by a token.
#[tokio::test]
async fn a_reservation_by_a_key_is_one_statement() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let program = key(&app, &ada, &["bookings:write"]).await;
    app.booking(&program, &show, 1).await;
    let seen = watch(&proxy);
    app.booking(&program, &show, 1).await;
    let seen = seen.lock().unwrap();
    assert!(matches!(&seen[..], [append] if append.contains("INSERT INTO events")), "{seen:?}");
}

#[tokio::test]
async fn when_a_key_was_last_used_is_written_at_most_once_a_minute() {
    let configure = |config: &mut ApiConfig| config.role_ttl = Duration::ZERO;
    let (app, proxy) = App::behind_proxy_with(configure).await;
    let ada = app.customer("ada").await;
    let program = key(&app, &ada, &["accounts:read"]).await;
    let seen = watch(&proxy);
    let written = || seen.lock().unwrap().iter().filter(|sql| sql.starts_with("UPDATE api_keys")).count();
    for _ in 0..3 {
        assert_eq!(status(&app, "/v1/users/me", &program).await, 200);
    }
    assert_eq!(written(), 1);
    app.clock.advance(TimeDelta::seconds(59));
    status(&app, "/v1/users/me", &program).await;
    assert_eq!(written(), 1);
    app.clock.advance(TimeDelta::seconds(1));
    status(&app, "/v1/users/me", &program).await;
    assert_eq!(written(), 2);
    let used = list(&app, &ada).await[0]["last_used_at"].as_str().unwrap().to_owned();
    assert_eq!(used.parse::<chrono::DateTime<chrono::Utc>>().unwrap(), app.clock.now());
}

#[tokio::test]
async fn a_key_has_quotas_of_its_own_and_may_have_a_lower_limit() {
    let rules: [QuotaRule; 1] = ["read=4/60".parse().unwrap()];
    let limits = RateLimits { by_account: Quotas::OFF.with(&rules), ..RateLimits::OFF };
    let app = App::with(|config| {
        config.rate_limits = limits;
        config.role_ttl = PATIENCE;
    })
    .await;
    let ada = app.customer("ada").await;
    let program = key(&app, &ada, &["accounts:read"]).await;
    let slow = json!({"name": "slow", "scopes": ["accounts:read"], "requests_per_minute": 2});
    let (slow, _) = made(&app, &ada, slow).await;
    // A key is not known before it was good once: that request is not counted.
    for (who, passes) in [(&program, 5), (&slow, 3), (&ada, 4)] {
        for _ in 0..passes {
            assert_eq!(status(&app, "/v1/users/me", who).await, 200);
        }
        assert_eq!(status(&app, "/v1/users/me", who).await, 429);
    }
    app.clock.advance(TimeDelta::seconds(15));
    let refused = app.get("/v1/users/me").by(&slow).send().await;
    assert_eq!((refused.code(), refused.header("retry-after")), ("rate_limited", "15"));
}

/// An older contract's clients have tokens; what acts by a key knows the native one.
#[tokio::test]
async fn airbournes_routes_take_no_keys() {
    let app = App::with(|config| config.compat = true).await;
    let admin = app.admin().await;
    let all = all_scopes(&app);
    let words: Vec<_> = all.iter().map(String::as_str).collect();
    let program = key(&app, &admin, &words).await;
    let asked = app.get("/api/v1/isauthenticated").header("x-access-token", &program.token).send().await;
    assert_eq!(asked.status, 401, "{}", asked.text);
}
