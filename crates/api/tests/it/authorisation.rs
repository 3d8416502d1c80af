//! Who may ask what: every operation of the document, for every kind of caller.

use crate::app::{App, PASSWORD, Someone, show};
use axum::http::Method;
use holdfast_api::users::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An operation, what to send, and the status for: nobody, the owner, another customer, an agent, an admin.
struct Row(&'static str, &'static str, Body, [u16; 5]);

/// What to send: nothing, JSON, or what needs the ids of this round.
enum Body {
    None,
    Json(Value),
    Booking,
    BookingForOwner,
    Password,
    Airport,
    Flight,
}

/// What the callers are, but for nobody.
const ROLES: [Role; 4] = [Role::Customer, Role::Customer, Role::Agent, Role::Admin];

/// `{show}` and `{booking}` are a show and a live booking of the owner's, new for each caller.
fn table() -> Vec<Row> {
    let anyone = |status| [status; 5];
    let house = [401, 403, 403, 403, 200];
    let queued = [401, 403, 403, 403, 202];
    let owners = [401, 200, 404, 200, 200];
    vec![
        Row(
            "POST",
            "/v1/users",
            Body::Json(json!({"email": "new", "password": "correct horse"})),
            anyone(201),
        ),
        Row("POST", "/v1/sessions", Body::Json(json!({"email": "a@b", "password": "wrong"})), anyone(401)),
        Row("GET", "/v1/users", Body::None, house),
        Row("GET", "/v1/users/me", Body::None, [401, 200, 200, 200, 200]),
        Row("PUT", "/v1/users/me/password", Body::Password, [401, 204, 204, 204, 204]),
        Row("GET", "/v1/users/me/export", Body::None, [401, 200, 200, 200, 200]),
        Row(
            "DELETE",
            "/v1/users/me",
            Body::Json(json!({"current_password": PASSWORD})),
            [401, 204, 204, 204, 204],
        ),
        Row("PUT", "/v1/users/{owner}/role", Body::Json(json!({"role": "customer"})), house),
        Row("GET", "/v1/role-changes", Body::None, house),
        Row("GET", "/v1/admin-actions", Body::None, house),
        Row("GET", "/v1/sessions", Body::None, [401, 200, 200, 200, 200]),
        Row("DELETE", "/v1/sessions", Body::None, [401, 204, 204, 204, 204]),
        // A show is no session of theirs.
        Row("DELETE", "/v1/sessions/{show}", Body::None, [401, 404, 404, 404, 404]),
        Row("DELETE", "/v1/sessions/current", Body::None, [401, 204, 204, 204, 204]),
        Row(
            "POST",
            "/v1/api-keys",
            Body::Json(json!({"name": "desk", "scopes": ["bookings:read"]})),
            [401, 201, 201, 201, 201],
        ),
        Row("GET", "/v1/api-keys", Body::None, [401, 200, 200, 200, 200]),
        Row("DELETE", "/v1/api-keys/{show}", Body::None, [401, 404, 404, 404, 404]),
        Row("POST", "/v1/shows", Body::Json(show(5, 60)), [401, 403, 403, 403, 201]),
        Row("GET", "/v1/shows", Body::None, anyone(200)),
        Row("GET", "/v1/shows/{show}", Body::None, anyone(200)),
        Row("PATCH", "/v1/shows/{show}", Body::Json(json!({})), house),
        Row("POST", "/v1/shows/{show}/cancel", Body::Json(json!({"reason": "x"})), house),
        Row("GET", "/v1/inventories/{show}/availability", Body::None, anyone(200)),
        Row("GET", "/v1/inventories/{show}/bookings", Body::None, [401, 403, 403, 200, 200]),
        Row("POST", "/v1/inventories/{show}/capacity", Body::Json(json!({"capacity": 9})), house),
        Row("POST", "/v1/inventories/{show}/close-sales", Body::None, house),
        Row("POST", "/v1/inventories/{show}/reopen-sales", Body::None, house),
        Row("POST", "/v1/inventories/{show}/block", Body::Json(json!({"quantity": 2, "reason": "x"})), house),
        Row("POST", "/v1/inventories/{show}/unblock", Body::Json(json!({"quantity": 1})), house),
        Row(
            "POST",
            "/v1/guests",
            Body::Json(json!({"email": "grace@example.com", "name": "Grace"})),
            [401, 403, 403, 201, 201],
        ),
        // A show is no guest.
        Row("GET", "/v1/guests/{show}", Body::None, [401, 403, 403, 404, 404]),
        Row("DELETE", "/v1/guests/{show}", Body::None, [401, 403, 403, 404, 404]),
        Row("POST", "/v1/bookings", Body::Booking, [401, 201, 201, 201, 201]),
        Row("POST", "/v1/bookings", Body::BookingForOwner, [401, 201, 403, 201, 201]),
        Row("GET", "/v1/bookings", Body::None, [401, 200, 200, 200, 200]),
        Row("GET", "/v1/bookings?user_id={owner}", Body::None, [401, 200, 403, 200, 200]),
        Row("GET", "/v1/bookings/{booking}", Body::None, owners),
        Row("GET", "/v1/bookings/{booking}/timeline", Body::None, owners),
        Row("POST", "/v1/bookings/{booking}/confirm", Body::None, owners),
        Row("POST", "/v1/bookings/{booking}/cancel", Body::None, owners),
        Row("POST", "/v1/cities", Body::Json(json!({"name": "Atlantis"})), [401, 403, 403, 403, 201]),
        Row("GET", "/v1/cities", Body::None, anyone(200)),
        Row("GET", "/v1/cities/{city}", Body::None, anyone(200)),
        Row("PATCH", "/v1/cities/{city}", Body::Json(json!({})), house),
        Row("DELETE", "/v1/cities/{city}", Body::None, [401, 403, 403, 403, 204]),
        Row("POST", "/v1/airports", Body::Airport, [401, 403, 403, 403, 201]),
        Row("GET", "/v1/airports", Body::None, anyone(200)),
        Row("GET", "/v1/airports/{airport}", Body::None, anyone(200)),
        Row("PATCH", "/v1/airports/{airport}", Body::Json(json!({})), house),
        Row("DELETE", "/v1/airports/{airport}", Body::None, [401, 403, 403, 403, 204]),
        Row(
            "POST",
            "/v1/airplanes",
            Body::Json(json!({"model": "A320neo", "capacity": 180})),
            [401, 403, 403, 403, 201],
        ),
        Row("GET", "/v1/airplanes", Body::None, anyone(200)),
        Row("GET", "/v1/airplanes/{airplane}", Body::None, anyone(200)),
        Row("PATCH", "/v1/airplanes/{airplane}", Body::Json(json!({})), house),
        Row("DELETE", "/v1/airplanes/{airplane}", Body::None, [401, 403, 403, 403, 204]),
        Row("POST", "/v1/flights", Body::Flight, [401, 403, 403, 403, 201]),
        Row("GET", "/v1/flights", Body::None, anyone(200)),
        Row("GET", "/v1/flights/{flight}", Body::None, anyone(200)),
        Row("PATCH", "/v1/flights/{flight}", Body::Json(json!({})), house),
        Row("POST", "/v1/flights/{flight}/cancel", Body::Json(json!({"reason": "x"})), house),
        Row(
            "POST",
            "/v1/webhook-endpoints",
            Body::Json(json!({"url": "https://example.com/", "event_types": ["booking.held.v1"]})),
            [401, 403, 403, 403, 201],
        ),
        Row(
            "POST",
            "/v1/reminders",
            Body::Json(json!({"subject": "a", "content": "b", "remind_at": "2027-06-01T07:30:00Z"})),
            [401, 201, 201, 201, 201],
        ),
        Row(
            "POST",
            "/v1/reminders",
            Body::Json(json!({"subject": "a", "content": "b", "remind_at": "2027-06-01T07:30:00Z",
                "recipient": "eve@example.net"})),
            [401, 403, 403, 201, 201],
        ),
        Row("GET", "/v1/reminders", Body::None, [401, 200, 200, 200, 200]),
        Row("DELETE", "/v1/reminders/{reminder}", Body::None, [401, 204, 404, 204, 204]),
        Row("POST", "/v1/reminders/{reminder}/retry", Body::None, [401, 409, 404, 409, 409]),
        Row("GET", "/v1/mails/failed", Body::None, house),
        Row("POST", "/v1/mails/{show}/retry", Body::None, [401, 403, 403, 403, 404]),
        Row("GET", "/v1/webhook-endpoints", Body::None, house),
        Row("GET", "/v1/webhook-endpoints/{endpoint}", Body::None, house),
        Row("POST", "/v1/webhook-endpoints/{endpoint}/enable", Body::None, house),
        Row("POST", "/v1/webhook-endpoints/{endpoint}/rotate-secret", Body::None, house),
        Row("POST", "/v1/webhook-endpoints/{endpoint}/ping", Body::None, queued),
        Row("POST", "/v1/webhook-endpoints/{endpoint}/replay", Body::None, queued),
        Row("GET", "/v1/webhook-endpoints/{endpoint}/deliveries", Body::None, house),
        Row("POST", "/v1/webhook-endpoints/{endpoint}/deliveries/{delivery}/redeliver", Body::None, queued),
        Row("DELETE", "/v1/webhook-endpoints/{endpoint}", Body::None, [401, 403, 403, 403, 204]),
        Row("GET", "/health/live", Body::None, anyone(200)),
        Row("GET", "/health/ready", Body::None, anyone(200)),
    ]
}

#[tokio::test]
async fn every_operation_is_open_to_whom_it_is_meant_for_and_to_nobody_else() {
    let app = App::new().await;
    let (admin, owner, other) = (app.admin().await, app.customer("owner").await, app.customer("other").await);
    let agent = app.someone("agent", Role::Agent).await;
    let callers = [None, Some(&owner), Some(&other), Some(&agent), Some(&admin)];
    for Row(method, path, body, expected) in table() {
        for (number, (caller, expected)) in callers.into_iter().zip(expected).enumerate() {
            let (show, booking) = round(&app, &admin, &owner).await;
            let mut path =
                path.replace("{show}", &show).replace("{booking}", &booking).replace("{owner}", &owner.id);
            if path.contains("{reminder}") {
                path = path.replace("{reminder}", &app.reminder(&owner, json!({})).await);
            }
            if path.contains("{endpoint}") {
                let (endpoint, delivery) = endpoint(&app, &admin).await;
                path = path.replace("{endpoint}", &endpoint).replace("{delivery}", &delivery);
            }
            let catalogue = catalogue(&app, &admin, &path).await;
            for (kind, id) in ["{city}", "{airport}", "{airplane}"].into_iter().zip(&catalogue) {
                path = path.replace(kind, id);
            }
            let flight = match path.starts_with("/v1/flights") {
                true => crate::flights::flight(&app, &admin).await,
                false => Value::Null,
            };
            if path.contains("{flight}") {
                let mut own = flight.clone();
                own["number"] = json!(format!("HF{}", app.events().await));
                path = path.replace("{flight}", &app.made(&admin, "/v1/flights", &own).await);
            }
            let asked = app.ask(Method::from_bytes(method.as_bytes()).unwrap(), &path);
            let asked = asked.key(&format!("key {show}")).header("if-match", "*");
            let asked = match &body {
                Body::None => asked,
                Body::Json(json) if json["email"] == "new" => asked
                    .json(&json!({"email": format!("new{number}@example.com"), "password": "correct horse"})),
                Body::Json(json) => asked.json(json),
                Body::Booking => asked.json(&json!({"inventory_id": show, "quantity": 1})),
                Body::Password => {
                    asked.json(&json!({"current_password": PASSWORD, "new_password": PASSWORD}))
                }
                Body::BookingForOwner => {
                    asked.json(&json!({"inventory_id": show, "quantity": 1, "user_id": owner.id}))
                }
                Body::Flight => asked.json(&flight),
                Body::Airport => {
                    asked.json(&json!({"code": "NEW", "name": "x", "city_id": catalogue[0], "zone": "UTC"}))
                }
            };
            // These end the token that they are asked with.
            let ends = path.ends_with("/password")
                || path.ends_with("/current")
                || method == "DELETE" && path == "/v1/users/me";
            let caller = match (caller, ends) {
                (Some(_), true) => Some(app.someone(&format!("{number}-{show}"), ROLES[number - 1]).await),
                (caller, _) => caller.cloned(),
            };
            let answer = caller.iter().fold(asked, |asked, who| asked.by(who)).send().await;
            assert_eq!(answer.status, expected, "{method} {path} by caller {number}: {}", answer.text);
            assert!(caller.is_some() || expected != 404, "nobody is told what exists");
        }
    }
}

/// A show with a blocked seat, and a live booking of the owner's on it.
async fn round(app: &App, admin: &Someone, owner: &Someone) -> (String, String) {
    let show = app.show(admin, 10, 900).await;
    let block = app.post(&format!("/v1/inventories/{show}/block")).by(admin);
    block.json(&json!({"quantity": 1, "reason": "x"})).send().await.ok(200);
    let booking = app.booking(owner, &show, 1).await;
    (show, booking["id"].as_str().unwrap().to_owned())
}

/// A city without airports, an airport of another city, and an airplane; nothing where the path is of something else.
async fn catalogue(app: &App, admin: &Someone, path: &str) -> [String; 3] {
    if !["/v1/cities", "/v1/air"].iter().any(|start| path.starts_with(start)) {
        return Default::default();
    }
    let (city, other) = (app.city(admin).await, app.city(admin).await);
    [city, app.airport(admin, &other, "Europe/Berlin").await, app.airplane(admin, 180).await]
}

/// A webhook endpoint that was sent a ping; the one before is gone, because their number has a bound.
async fn endpoint(app: &App, admin: &Someone) -> (String, String) {
    let all = app.get("/v1/webhook-endpoints").by(admin).send().await.ok(200);
    for old in all["data"].as_array().unwrap() {
        let path = format!("/v1/webhook-endpoints/{}", old["id"].as_str().unwrap());
        app.ask(Method::DELETE, &path).by(admin).send().await;
    }
    let endpoint = app.webhook_endpoint(admin).await["id"].as_str().unwrap().to_owned();
    let ping = app.post(&format!("/v1/webhook-endpoints/{endpoint}/ping")).by(admin).send().await.ok(202);
    (endpoint, ping["id"].as_str().unwrap().to_owned())
}

/// Without this, a new route could be forgotten above.
#[tokio::test]
async fn no_operation_is_missing_from_the_table() {
    let app = App::new().await;
    let documented = app.document()["paths"].as_object().unwrap().iter();
    let documented: BTreeSet<_> = documented
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let named = |path: &str| {
        let path = path.split('?').next().unwrap();
        let path = path.replace("{show}", "{id}").replace("{booking}", "{id}").replace("{owner}", "{id}");
        let path = ["{city}", "{airport}", "{airplane}", "{flight}", "{reminder}"]
            .iter()
            .fold(path, |path, kind| path.replace(kind, "{id}"));
        path.replace("{endpoint}", "{id}").replace("{delivery}", "{delivery_id}")
    };
    let tried = table().iter().map(|Row(method, path, ..)| ((*method).to_owned(), named(path))).collect();
    assert_eq!(documented, tried);
}

/// 401 and 403 come before 404 and 422, and the form before the facts, whatever else is wrong.
#[tokio::test]
async fn who_may_ask_is_decided_before_what_is_asked_and_the_form_before_the_facts() {
    let app = App::new().await;
    let (admin, ada, bob) = (app.admin().await, app.customer("ada").await, app.customer("bob").await);
    let nothing = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";
    let wrong = json!({"capacity": -1});
    let capacity = format!("/v1/inventories/{nothing}/capacity");
    assert_eq!(app.post(&capacity).json(&wrong).send().await.status, 401);
    assert_eq!(app.post(&capacity).by(&ada).json(&wrong).send().await.status, 403);
    assert_eq!(
        app.post("/v1/inventories/no-id/capacity").by(&ada).raw("text/plain", "{").send().await.status,
        403
    );
    assert_eq!(app.post(&capacity).by(&admin).json(&wrong).send().await.status, 422);
    assert_eq!(app.post(&capacity).by(&admin).json(&json!({"capacity": 1})).send().await.status, 404);

    let for_bob = json!({"inventory_id": "no-id", "quantity": 0, "user_id": bob.id});
    assert_eq!(app.post("/v1/bookings").json(&for_bob).send().await.status, 401);
    assert_eq!(app.post("/v1/bookings").by(&ada).key("k").json(&for_bob).send().await.status, 403);
    assert_eq!(app.post("/v1/bookings").by(&admin).key("k").json(&for_bob).send().await.status, 422);
    assert_eq!(
        app.get(&format!("/v1/bookings?limit=0&user_id={}", bob.id)).by(&ada).send().await.status,
        403
    );
    assert_eq!(app.get("/v1/bookings?limit=0").by(&ada).send().await.status, 422);
}

#[tokio::test]
async fn a_token_that_is_missing_forged_or_nonsense_is_nobodys() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let claims = ada.token.split('.').nth(1).unwrap();
    let none = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{claims}.");
    let forged = format!("{}x", ada.token);
    for token in ["", "x", "a.b.c", &none, &forged, &"x".repeat(5000)] {
        for (name, value) in
            [("authorization", format!("Bearer {token}")), ("x-access-token", token.to_owned())]
        {
            let answer = app.get("/v1/users/me").header(name, &value).send().await;
            assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated"), "{name}: {token}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let basic = app.get("/v1/users/me").header("authorization", "Basic YTpi").send().await;
    assert_eq!(basic.status, 401);
}
