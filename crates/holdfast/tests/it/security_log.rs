//! The security log of a running server: what is in it, what never is, and that a flood does not flood it.

use crate::server::{Place, rand_key};
use holdfast_testkit::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Entries are written by a thread of their own.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests of the flood.
const FLOOD: usize = 400;
const PASSWORD: &str = "correct horse battery";

fn entries(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries.iter().filter(|entry| entry["kind"] == kind).collect()
}

async fn ask(place: &Place, method: Method, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = place.http.request(method, place.url(path)).bearer_auth(token).json(body);
    let answer = request.header("Idempotency-Key", rand_key()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn refusals_and_changes_are_lines_of_json_without_secrets_and_a_flood_is_sampled() {
    let place = Place::new();
    // Started by root, the server is another user by then.
    let folder = place.folder().join("logs");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let file = folder.join("security.log");
    let server = place.up_with(&["--security-log", file.to_str().unwrap()]).await;
    let admin = place.admin().await;
    let account = json!({"email": "ada@example.com", "password": PASSWORD});
    let (_, ada) = ask(&place, Method::POST, "/v1/users", "", &account).await;
    let ada = ada["id"].as_str().unwrap();
    let token = place.sign_in("ada@example.com", PASSWORD).await;

    let wrong = json!({"email": "ada@example.com", "password": "wrong password"});
    assert_eq!(ask(&place, Method::POST, "/v1/sessions", "", &wrong).await.0, 401);
    let unknown = json!({"email": "eve@example.com", "password": "wrong password"});
    for _ in 0..10 {
        assert_eq!(ask(&place, Method::POST, "/v1/sessions", "", &unknown).await.0, 401);
    }
    assert_eq!(ask(&place, Method::POST, "/v1/sessions", "", &unknown).await.0, 429);
    let role = format!("/v1/users/{ada}/role");
    assert_eq!(ask(&place, Method::PUT, &role, &admin, &json!({"role": "agent"})).await.0, 200);
    let hook = json!({"url": "https://example.com/hooks", "event_types": ["booking.confirmed.v1"]});
    let (status, hook) = ask(&place, Method::POST, "/v1/webhook-endpoints", &admin, &hook).await;
    assert_eq!(status, 201);
    for _ in 0..FLOOD {
        assert_eq!(ask(&place, Method::GET, "/v1/users", &token, &Value::Null).await.0, 403);
    }
    let new = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    assert_eq!(ask(&place, Method::PUT, "/v1/users/me/password", &token, &new).await.0, 204);

    eventually(PATIENCE, "the last entry is written", async || {
        !of_kind(&entries(&file), "password_changed").is_empty()
    })
    .await;
    let written = entries(&file);
    let failed = of_kind(&written, "sign_in_failed");
    assert_eq!((&failed[0]["account"], &failed[0]["client"]), (&json!(ada), &json!("127.0.0.1")));
    assert_eq!(failed[1]["account"], Value::Null);
    assert_eq!(of_kind(&written, "sign_in_refused").len(), 1);
    let [changed] = of_kind(&written, "role_changed")[..] else { panic!("one role was changed") };
    assert_eq!((&changed["on"], &changed["operation"]), (&json!(ada), &json!("PUT /v1/users/{id}/role")));
    assert!(changed["actor"].is_string() && changed["timestamp"].is_string());
    assert_eq!(of_kind(&written, "webhook_changed")[0]["on"], hook["id"]);
    let forbidden = of_kind(&written, "forbidden");
    assert_eq!((&forbidden[0]["actor"], &forbidden[0]["code"]), (&json!(ada), &json!("forbidden")));
    assert!(forbidden.len() < FLOOD / 4, "{} lines of {FLOOD} requests", forbidden.len());

    let text = fs::read_to_string(&file).unwrap();
    let secret = hook["secret"].as_str().unwrap();
    for never in ["@example.com", PASSWORD, "another horse", "wrong password", &token, &admin, secret] {
        assert!(!text.contains(never), "{never} is in the security log");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.terminate().await, Some(0));
}
