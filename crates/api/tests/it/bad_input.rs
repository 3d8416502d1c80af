//! Bad input: each is answered with its status and code, and does nothing.

use crate::app::{Answer, App};
use axum::{body::Body, http::Method};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Words that would tell what is inside.
const NEVER_TOLD: [&str; 8] = ["SELECT", "INSERT", "sqlx", "postgres", ".rs", "/src", "panicked", "relation"];

fn assert_problem(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{what}: {}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(
        (&answer.body["status"], answer.header("cache-control")),
        (&json!(status), "no-store"),
        "{what}"
    );
    assert_eq!(answer.body["type"], format!("urn:holdfast:problem:{code}"), "{what}");
    for word in NEVER_TOLD {
        assert!(!answer.text.contains(word), "{what} tells {word}: {}", answer.text);
    }
}

async fn counts(app: &App) -> (i64, i64) {
    sqlx::query_as("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM users)")
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_body_that_is_no_json_too_large_or_undeclared_is_refused_as_what_it_is() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let before = counts(&app).await;
    let good = json!({"inventory_id": show, "quantity": 1}).to_string();
    let book = || app.post("/v1/bookings").by(&ada).key("k");
    let large = format!("{good}{}", " ".repeat(64 * 1024));
    for (asked, status, code) in [
        (book().raw("application/json", ""), 400, "malformed_json"),
        (book().raw("application/json", "{"), 400, "malformed_json"),
        (book().raw("application/json", format!("{good}]")), 400, "malformed_json"),
        (book().raw("application/json", vec![0xff, 0xfe]), 400, "malformed_json"),
        (book().raw("application/json", large.clone()), 413, "payload_too_large"),
        (book().raw("text/plain", large), 413, "payload_too_large"),
        (book().raw("text/plain", good.clone()), 415, "unsupported_media_type"),
        (book().raw("application/x-www-form-urlencoded", "quantity=1"), 415, "unsupported_media_type"),
        (book().raw("application/jsonp", good.clone()), 415, "unsupported_media_type"),
    ] {
        assert_problem(&asked.send().await, status, code, "a body");
    }
    assert_eq!(counts(&app).await, before);
    let declared = book().raw("Application/JSON; charset=utf-8", good).send().await;
    assert_eq!(declared.status, 201, "{}", declared.text);
}

#[tokio::test]
async fn every_wrong_field_of_a_booking_is_pointed_at_with_what_it_must_be() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let before = counts(&app).await;
    let range = "must be a whole number from 1 to 100";
    for (body, pointers, detail) in [
        (
            json!({}),
            vec!["/inventory_id", "/quantity"],
            "is missing; must be a UUID, such as 0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11",
        ),
        (json!([]), vec![""], "must be an object"),
        (json!("text"), vec![""], "must be an object"),
        (json!({"inventory_id": show, "quantity": 0}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": -1}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": 101}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": 1.5}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": 1e30}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": u64::MAX}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": "1"}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": null}), vec!["/quantity"], range),
        (json!({"inventory_id": show, "quantity": [1]}), vec!["/quantity"], range),
        (
            json!({"inventory_id": show, "quantity": 1, "seats": 1}),
            vec!["/seats"],
            "is not a field of this request",
        ),
        (
            json!({"inventory_id": 7, "quantity": 0, "x": 1}),
            vec!["/inventory_id", "/quantity", "/x"],
            "must be a UUID, such as 0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11",
        ),
        (
            json!({"inventory_id": show, "quantity": 1, "user_id": "ada"}),
            vec!["/user_id"],
            "must be a UUID, such as 0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11",
        ),
    ] {
        let answer = app.post("/v1/bookings").by(&ada).key("k").json(&body).send().await;
        assert_problem(&answer, 422, "validation_failed", &body.to_string());
        assert_eq!(
            (answer.pointers(), &answer.body["errors"][0]["detail"]),
            (pointers, &json!(detail)),
            "{body}"
        );
    }
    let endless = format!(r#"{{"inventory_id":"{show}","quantity":1e999}}"#);
    let endless = app.post("/v1/bookings").by(&ada).key("k").raw("application/json", endless).send().await;
    assert_problem(&endless, 422, "validation_failed", "1e999");
    assert_eq!(endless.pointers(), ["/quantity"]);
    assert_eq!(counts(&app).await, before);
}

/// What is ours to say nobody else does, and what names something else names no inventory.
#[tokio::test]
async fn a_booking_names_no_id_status_or_total_of_its_own_and_no_inventory_of_another_kind() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let (show, airplane) = (app.show(&admin, 10, 900).await, app.airplane(&admin, 10).await);
    let booking = app.booking(&ada, &show, 1).await;
    let before = counts(&app).await;
    let book = async |body: &Value| app.post("/v1/bookings").by(&ada).key("k").json(body).send().await;
    for field in ["id", "status", "total", "totalCost", "expires_at", "reserved_at", "createdAt", "version"] {
        let mut body = json!({"inventory_id": show, "quantity": 1});
        body[field] = json!(1);
        let answer = book(&body).await;
        assert_problem(&answer, 422, "validation_failed", field);
        assert_eq!(answer.pointers(), [format!("/{field}")]);
    }
    for other in
        [json!("../airplane/1"), json!("1"), json!(1), json!(1e99), Value::Null, json!({}), json!([show])]
    {
        let answer = book(&json!({"inventory_id": other, "quantity": 1})).await;
        assert_problem(&answer, 422, "validation_failed", &other.to_string());
        assert_eq!(answer.pointers(), ["/inventory_id"], "{other}");
    }
    // The ids of airplanes and inventories are made alike: only what is sold counts.
    for other in [booking["id"].as_str().unwrap(), &airplane, &ada.id] {
        assert_problem(&book(&json!({"inventory_id": other, "quantity": 1})).await, 404, "not_found", other);
    }
    assert_eq!(counts(&app).await, before);
}

#[tokio::test]
async fn every_wrong_field_of_a_show_is_pointed_at() {
    let app = App::new().await;
    let admin = app.admin().await;
    let before = counts(&app).await;
    let with = |pointer: &str, value: Value| {
        let mut show = crate::app::show(10, 900);
        *show.pointer_mut(pointer).unwrap() = value;
        show
    };
    let long = "x".repeat(201);
    for (pointer, wrong) in [
        ("/name", vec![json!(""), json!("   "), json!(long), json!("a\0b"), json!(5), json!(null)]),
        (
            "/starts_at",
            vec![
                json!("tomorrow"),
                json!("2027-06-01T19:30:00"),
                json!("2027-06-01"),
                json!("2027-02-30T00:00:00Z"),
                json!("2027-06-01T25:00:00Z"),
                json!("9999-12-31T23:59:59-23:59"),
                json!("0000-01-01T00:00:00+01:00"),
                json!(1),
            ],
        ),
        ("/zone", vec![json!("Mars/Olympus"), json!("+02:00"), json!("")]),
        ("/capacity", vec![json!(-1), json!(10_000_001), json!(0.5), json!("10")]),
        ("/price", vec![json!(4950), json!([4950, "GBP"]), json!(null)]),
        ("/price/amount", vec![json!(-1), json!(1_000_000_000_001_i64), json!(49.5), json!("49")]),
        ("/price/currency", vec![json!("gbp"), json!("XQQ"), json!(""), json!(5)]),
        ("/policy", vec![json!(null), json!([])]),
        ("/policy/hold_seconds", vec![json!(-1), json!(86_401), json!(1.5)]),
    ] {
        for value in wrong {
            let answer =
                app.post("/v1/shows").by(&admin).key("k").json(&with(pointer, value.clone())).send().await;
            assert_problem(&answer, 422, "validation_failed", &format!("{pointer} {value}"));
            assert_eq!(answer.pointers(), [pointer], "{value}");
        }
    }
    let mut policy = crate::app::show(10, 900);
    policy["policy"] = json!({"seats_per_booking": 0, "live_bookings_per_user": 1_000_001, "overbooking_allowance": -1, "x": 1});
    let answer = app.post("/v1/shows").by(&admin).key("k").json(&policy).send().await;
    let wrong = ["seats_per_booking", "live_bookings_per_user", "overbooking_allowance", "x"];
    assert_eq!(answer.pointers(), wrong.map(|field| format!("/policy/{field}")));
    assert_eq!(counts(&app).await, before);
}

#[tokio::test]
async fn a_wrong_account_is_refused_field_by_field() {
    let app = App::new().await;
    for (email, password, pointers) in [
        (json!("ada"), json!("correct horse"), vec!["/email"]),
        (json!("@example.com"), json!("correct horse"), vec!["/email"]),
        (json!("ada @example.com"), json!("correct horse"), vec!["/email"]),
        (json!("ada\0@example.com"), json!("correct horse"), vec!["/email"]),
        (json!("ada@example.com\r\nBcc: eve@example.com"), json!("correct horse"), vec!["/email"]),
        (json!("ada@example.com\n"), json!("correct horse"), vec!["/email"]),
        (json!(format!("{}@example.com", "x".repeat(250))), json!("correct horse"), vec!["/email"]),
        (json!("ada@example.com"), json!("short"), vec!["/password"]),
        (json!("ada@example.com"), json!("x".repeat(129)), vec!["/password"]),
        (json!("ada@example.com"), json!("with\0null in it"), vec!["/password"]),
        (json!(1), json!(null), vec!["/email", "/password"]),
    ] {
        let answer = app.post("/v1/users").json(&json!({"email": email, "password": password})).send().await;
        assert_problem(&answer, 422, "validation_failed", &email.to_string());
        assert_eq!(answer.pointers(), pointers);
        assert!(!answer.text.contains("horse"), "a password is never repeated");
    }
    assert_eq!(counts(&app).await, (0, 0));
}

#[tokio::test]
async fn a_reason_is_a_word_because_it_stays_in_the_log_for_ever() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let booking = app.booking(&ada, &show, 1).await;
    let path = format!("/v1/bookings/{}/cancel", booking["id"].as_str().unwrap());
    for reason in [json!("Ada Lovelace is ill"), json!(""), json!("x".repeat(51)), json!(1)] {
        let answer = app.post(&path).by(&ada).json(&json!({"reason": reason})).send().await;
        assert_problem(&answer, 422, "validation_failed", &reason.to_string());
    }
}

#[tokio::test]
async fn a_key_that_is_missing_or_no_key_is_refused() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let before = counts(&app).await;
    let body = json!({"inventory_id": show, "quantity": 1});
    let missing = app.post("/v1/bookings").by(&ada).json(&body).send().await;
    assert_problem(&missing, 400, "idempotency_key_required", "no key");
    let missing = app.post("/v1/shows").by(&admin).json(&crate::app::show(1, 0)).send().await;
    assert_problem(&missing, 400, "idempotency_key_required", "no key");
    for key in ["", "café", &"k".repeat(256)] {
        let answer = app.post("/v1/bookings").by(&ada).key(key).json(&body).send().await;
        assert_problem(&answer, 400, "idempotency_key_invalid", key);
    }
    let confirm = format!("/v1/bookings/{show}/confirm");
    let answer = app.post(&confirm).by(&ada).key(&"k".repeat(256)).send().await;
    assert_problem(
        &answer,
        400,
        "idempotency_key_invalid",
        "a key that need not be there must be good all the same",
    );
    assert_eq!(counts(&app).await, before);
}

#[tokio::test]
async fn a_wrong_path_method_id_or_parameter_is_refused_as_what_it_is() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let get = |path: &str| app.get(path).by(&ada);
    for path in
        ["//", "/v1", "/v2/bookings", "/v1/bookings/", "/v1/shows/x/y", "/api/v1/book", "/book", "/%ff"]
    {
        assert_problem(&get(path).send().await, 404, "not_found", path);
    }
    for id in [
        "7",
        "no-id",
        "0193a6b43d007c3e9a542f1d6a0b7c11",
        "%7B0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11%7D",
        "%ff",
        "a%00b",
    ] {
        for path in [
            format!("/v1/bookings/{id}"),
            format!("/v1/shows/{id}"),
            format!("/v1/inventories/{id}/availability"),
        ] {
            assert_problem(&get(&path).send().await, 404, "not_found", &path);
        }
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/bookings", "GET,HEAD,POST"),
        (Method::PUT, "/v1/sessions", "DELETE,GET,HEAD,POST"),
        (Method::PUT, "/v1/users/me", "DELETE,GET,HEAD"),
        (Method::PATCH, "/health/live", "GET,HEAD"),
    ] {
        let answer = app.ask(method, path).send().await;
        assert_problem(&answer, 405, "method_not_allowed", path);
        let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{path}");
    }
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=x", "/limit"),
        ("status=sold", "/status"),
        ("user_id=7", "/user_id"),
        ("page=1", "/page"),
        ("limit=1&limit=2", "/limit"),
    ] {
        let answer = get(&format!("/v1/bookings?{query}")).send().await;
        assert_problem(&answer, 422, "validation_failed", query);
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    assert_problem(&get("/v1/bookings?cursor=abc").send().await, 400, "invalid_cursor", "cursor");
    assert_problem(&get("/v1/shows?cursor=").send().await, 400, "invalid_cursor", "cursor");
}

/// A body that never ends must not be gathered in memory; it is told to stop after a bounded part.
#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let app = App::new().await;
    let chunk = axum::body::Bytes::from(vec![b'x'; 64 * 1024]);
    let endless = futures::stream::repeat(Ok::<_, std::convert::Infallible>(chunk));
    let asked = app.post("/v1/users").raw("application/json", Body::from_stream(endless));
    assert_problem(&asked.send().await, 413, "payload_too_large", "an endless body");
}

/// A cursor is text that anybody can write.
#[tokio::test]
async fn a_cursor_with_a_null_character_in_its_name_is_refused() {
    let app = App::new().await;
    let forged = r#"{"v":1,"q":{"cities_that_begin_with":""},"p":"a\u0000b"}"#;
    let forged = BASE64_URL_SAFE_NO_PAD.encode(forged);
    let answer = app.get(&format!("/v1/cities?cursor={forged}")).send().await;
    assert_problem(&answer, 400, "invalid_cursor", &forged);
}
