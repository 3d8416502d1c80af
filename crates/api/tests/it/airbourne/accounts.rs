//! Signing up and in.

use super::{Client, airbourne};
use axum::http::Method;
use holdfast_api::users::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn who_signs_up_signs_in_and_is_an_integer() {
    let app = airbourne().await;
    let account = json!({"email": "U1@test.com", "password": "1234"});
    let made = app.post("/api/v1/signup").json(&account).send().await.ok(201);
    let id = &made["data"]["id"];
    assert!(id.as_i64().is_some_and(|id| id > 0), "{made}");
    let at = "2026-05-01T12:00:00.000Z";
    let data = json!({"id": id, "email": "u1@test.com", "updatedAt": at, "createdAt": at});
    assert_eq!(made, json!({"data": data, "error": {}, "sucess": true, "message": "created the User"}));
    let session = app.post("/api/v1/signin").json(&account).send().await.ok(200);
    let token = session["data"]["token"].as_str().unwrap();
    let data = json!({"token": token, "id": id});
    assert_eq!(session, json!({"data": data, "error": {}, "sucess": true, "message": " sign in successful"}));
    let whose = app.get("/api/v1/isAuthenticated").header("x-access-token", token).send().await.ok(201);
    assert_eq!(
        whose,
        json!({"data": id, "error": {}, "sucess": true, "message": " authentication is successful"})
    );
    app.get("/v1/users/me").header("x-access-token", token).send().await.ok(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_up_is_said_in_its_envelope_with_the_right_status() {
    let app = airbourne().await;
    Client::new(&app, "taken").await;
    for (email, password, status) in [
        (json!(""), json!("password"), 400),
        (json!("a@test.com"), Value::Null, 400),
        (json!("taken@test.com"), json!("password"), 409),
        (json!("TAKEN@test.com"), json!("password"), 409),
        (json!("no address"), json!("password"), 422),
        (json!("a@test.com\r\nBcc: b@test.com"), json!("password"), 422),
        (json!("a@test.com"), json!("123"), 422),
        (json!("a@test.com"), json!("x".repeat(51)), 422),
        (json!("a@test.com"), json!(12345), 422),
    ] {
        let body = json!({"email": email, "password": password});
        let refused = app.post("/api/v1/signup").json(&body).send().await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
        assert_eq!((&refused.body["data"], &refused.body["sucess"]), (&json!({}), &json!(false)), "{body}");
        assert!(refused.body["err"].is_string() && refused.body["message"].is_string(), "{body}");
    }
    let missing = app.post("/api/v1/signin").json(&json!({"email": "a@test.com"})).send().await.ok(400);
    assert_eq!(missing["err"], "email or password is missing");
}

#[tokio::test]
async fn a_token_that_is_not_good_is_a_401_in_its_envelope() {
    let app = airbourne().await;
    for token in [None, Some("x"), Some("a.b.c")] {
        let asked = app.get("/auth/api/v1/isAuthenticated");
        let asked = token.into_iter().fold(asked, |asked, token| asked.header("x-access-token", token));
        let refused = asked.send().await.ok(401);
        assert_eq!(
            (&refused["sucess"], &refused["message"]),
            (&json!(false), &json!("authentication is unsuccessful"))
        );
        assert_eq!(refused["error"]["error"]["name"], "JsonWebTokenError");
    }
}

#[tokio::test]
async fn one_asks_of_oneself_whether_one_is_an_admin_and_an_admin_of_others() {
    let app = airbourne().await;
    let (ada, bob) = (Client::new(&app, "ada").await, Client::new(&app, "bob").await);
    let admin = app.someone("admin", Role::Admin).await;
    let asks = async |token: &str, body: Value| {
        app.get("/api/v1/isAdmin").header("x-access-token", token).json(&body).send().await
    };
    let own = asks(&ada.token, json!({"id": ada.id})).await.ok(201);
    assert_eq!(own, json!({"data": false, "error": {}, "sucess": true, "message": "  is admin"}));
    assert_eq!(asks(&ada.token, json!({"id": bob.id})).await.status, 403);
    assert_eq!(asks(&admin.token, json!({"id": bob.id})).await.ok(201)["data"], false);
    assert_eq!(asks(&admin.token, json!({"id": 999_999})).await.ok(404)["message"], "isnt admin");
    assert_eq!(asks(&ada.token, json!({})).await.ok(400)["error"], "userId is not given");
    assert_eq!(app.get("/api/v1/isAdmin").json(&json!({"id": ada.id})).send().await.status, 401);
}

#[tokio::test]
async fn a_form_is_as_good_as_json() {
    let app = airbourne().await;
    let form = "application/x-www-form-urlencoded";
    app.post("/api/v1/signup").raw(form, "email=a%40test.com&password=12345").send().await.ok(201);
    app.post("/api/v1/signin").raw(form, "email=a%40test.com&password=12345").send().await.ok(200);
    assert_eq!(app.ask(Method::GET, "/auth/api/v1/dummy").send().await.ok(200), json!({"message": "OK"}));
}
