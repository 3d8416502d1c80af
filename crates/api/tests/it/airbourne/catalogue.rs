//! Cities, airplanes, airports.

use super::{airbourne, made, two_airports};
use crate::app::App;
use axum::http::Method;
use holdfast_api::users::Role;
use serde_json::{Value, json};

const AT: &str = "2026-05-01T12:00:00.000Z";

#[tokio::test]
async fn a_city_is_made_found_renamed_and_deleted() {
    let app = airbourne().await;
    let city = app.post("/api/v1/city").json(&json!({"name": "Pune", "id": 7})).send().await.ok(201);
    let id = city["data"]["id"].as_i64().unwrap();
    let data = json!({"id": id, "name": "Pune", "updatedAt": AT, "createdAt": AT});
    assert_eq!(
        city,
        json!({"data": data, "sucess": true, "message": "Successfully created a city", "err": {}})
    );
    assert_eq!(app.get(&format!("/api/v1/city/{id}")).send().await.ok(200)["data"], data);
    made(&app, "/api/v1/city", &json!({"name": "Paris"})).await;
    let found =
        async |query: &str| app.get(&format!("/api/v1/city{query}")).send().await.ok(200)["data"].clone();
    assert_eq!((found("?name=Pu").await, found("").await.as_array().unwrap().len()), (json!([data]), 2));
    let renamed = app.ask(Method::PATCH, &format!("/api/v1/city/{id}")).json(&json!({"name": "Puna"}));
    assert_eq!(renamed.send().await.ok(200)["data"]["name"], "Puna");
    for _ in 0..2 {
        let deleted = app.ask(Method::DELETE, &format!("/api/v1/city/{id}")).send().await.ok(200);
        assert_eq!((&deleted["data"], &deleted["sucess"]), (&json!(true), &json!(true)));
    }
    for nothing in
        [id.to_string(), "0".into(), "-1".into(), "x".into(), "1e99".into(), "99999999999999999999".into()]
    {
        assert_eq!(app.get(&format!("/api/v1/city/{nothing}")).send().await.ok(200)["data"], Value::Null);
    }
}

#[tokio::test]
async fn an_airplane_and_an_airport_tell_how_many_rows_were_changed() {
    let app = airbourne().await;
    let airplane = app.post("/api/v1/airplane").json(&json!({"modelNumber": "A320"})).send().await.ok(201);
    let id = airplane["data"]["id"].as_i64().unwrap();
    let data = json!({"id": id, "modelNumber": "A320", "capacity": 200, "updatedAt": AT, "createdAt": AT});
    assert_eq!((&airplane["data"], &airplane["sucess"]), (&data, &json!(true)));
    let (airport, _) = two_airports(&app).await;
    for (path, change, field) in [
        (format!("/api/v1/airplane/{id}"), json!({"capacity": 9}), "capacity"),
        (format!("/api/v1/airports/{airport}"), json!({"name": 9}), "name"),
        (format!("/api/v1/airports/{airport}"), json!({"address": "Street 9"}), "address"),
    ] {
        let changed = app.ask(Method::PATCH, &path).json(&change).send().await;
        if change[field].is_number() && field == "name" {
            assert_eq!(changed.status, 422, "{path}");
            continue;
        }
        assert_eq!(changed.ok(200)["data"], json!([1]), "{path}");
        assert_eq!(app.get(&path).send().await.ok(200)["data"][field], change[field]);
    }
    for path in ["/api/v1/airplane/99999", "/api/v1/airports/99999", "/api/v1/airports/x"] {
        assert_eq!(app.ask(Method::PATCH, path).json(&json!({})).send().await.ok(200)["data"], json!([0]));
        assert_eq!(app.ask(Method::DELETE, path).send().await.ok(200)["data"], 0);
        assert_eq!(app.get(path).send().await.ok(200)["data"], Value::Null);
    }
    assert_eq!(app.get("/api/v1/airports").send().await.ok(200)["data"].as_array().unwrap().len(), 2);
    assert_eq!(app.get("/api/v1/airports").send().await.body["success"], true);
    assert_eq!(app.get("/api/v1/airplane").send().await.ok(200)["data"].as_array().unwrap().len(), 1);
}

/// Served where others than this machine can ask, changing the catalogue takes an admin.
#[tokio::test]
async fn beyond_loopback_the_catalogue_is_an_admins() {
    let app = App::with(|config| config.compat = true).await;
    let (admin, ada) = (app.someone("admin", Role::Admin).await, app.customer("ada").await);
    let name = json!({"name": "Pune"});
    for path in ["/api/v1/city", "/api/v1/airplane", "/api/v1/airports", "/api/v1/flights"] {
        assert_eq!(app.post(path).json(&name).send().await.status, 401, "{path}");
        assert_eq!(app.post(path).by(&ada).json(&name).send().await.status, 403, "{path}");
        for method in [Method::PATCH, Method::DELETE] {
            let one = format!("{path}/1");
            assert_eq!(
                app.ask(method.clone(), &one).by(&ada).json(&name).send().await.status,
                403,
                "{method} {one}"
            );
        }
    }
    app.post("/api/v1/city").by(&admin).json(&name).send().await.ok(201);
    app.get("/api/v1/city").send().await.ok(200);
}

/// What the rules say of a field has the name that the client gave it.
#[tokio::test]
async fn an_airport_of_no_city_is_refused_by_the_field_that_names_it() {
    let app = airbourne().await;
    let refused = app.post("/api/v1/airports").json(&json!({"name": "A", "cityId": 99})).send().await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text.contains("cityId names none") && !refused.text.contains("city_id"),
        "{}",
        refused.text
    );
}
