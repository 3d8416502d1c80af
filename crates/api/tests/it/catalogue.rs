//! The catalogue: made once, changed by one at a time, deleted only when nothing depends on it.

use crate::app::{Answer, App, PATIENCE, Someone};
use axum::http::Method;
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_testkit::eventually;
use serde_json::{Value, json};

const NOTHING: &str = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

fn airport(city: &str) -> Value {
    json!({"code": "BER", "name": "Berlin Brandenburg", "city_id": city, "zone": "Europe/Berlin"})
}

impl App {
    async fn make(&self, admin: &Someone, path: &str, key: &str, body: &Value) -> Answer {
        self.post(path).by(admin).key(key).json(body).send().await
    }

    async fn patch(&self, admin: &Someone, path: &str, tag: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path).by(admin).header("if-match", tag).json(body).send().await
    }

    async fn remove(&self, admin: &Someone, path: &str) -> Answer {
        self.ask(Method::DELETE, path).by(admin).send().await
    }

    /// All pages of a list.
    async fn all(&self, path: &str, query: &str) -> Vec<Value> {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?{query}{next}")).send().await.ok(200);
            seen.extend(page["data"].as_array().unwrap().clone());
            let Some(cursor) = page["meta"]["next_cursor"].as_str() else { return seen };
            next = format!("&cursor={cursor}");
        }
    }

    async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(&format!("SELECT count(*) FROM {table}")).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_made_is_there_and_its_id_carries_an_integer() {
    let app = App::new().await;
    let admin = app.admin().await;
    let made = app.make(&admin, "/v1/cities", "k", &json!({"name": "Berlin"})).await;
    assert_eq!(
        (made.header("etag"), made.header("location")),
        ("\"1\"", "/v1/cities/00000000-0000-8006-8000-000000000001")
    );
    let city = made.ok(201);
    let at = "2026-05-01T12:00:00Z";
    assert_eq!(city, json!({"id": city["id"], "name": "Berlin", "created_at": at, "updated_at": at}));

    let mut body = airport(id(&city));
    body["address"] = json!("Melli-Beese-Ring 1");
    let made = app.make(&admin, "/v1/airports", "k", &body).await.ok(201);
    body["id"] = made["id"].clone();
    (body["created_at"], body["updated_at"]) = (json!(at), json!(at));
    assert_eq!(made, body);

    let plane =
        app.make(&admin, "/v1/airplanes", "k", &json!({"model": "A320neo", "capacity": 180})).await.ok(201);
    assert_eq!((&plane["model"], &plane["capacity"]), (&json!("A320neo"), &json!(180)));

    for (path, thing) in [("/v1/cities", &city), ("/v1/airports", &made), ("/v1/airplanes", &plane)] {
        let got = app.get(&format!("{path}/{}", id(thing))).send().await;
        assert_eq!((got.header("etag"), &got.body), ("\"1\"", thing));
        assert_eq!(app.all(path, "").await, std::slice::from_ref(thing));
    }
}

/// The key's row and the thing are one statement: two requests at once make one thing.
#[tokio::test]
async fn the_same_key_makes_one_thing_even_at_once_and_after_it_was_edited_or_deleted() {
    let app = App::new().await;
    let admin = app.admin().await;
    let city = app.city(&admin).await;
    for (path, body, other) in [
        ("/v1/cities", json!({"name": "Berlin"}), json!({"name": "Bonn"})),
        ("/v1/airports", airport(&city), json!({"code": "CGN", "name": "x", "city_id": city, "zone": "UTC"})),
        (
            "/v1/airplanes",
            json!({"model": "A320", "capacity": 180}),
            json!({"model": "A320", "capacity": 181}),
        ),
    ] {
        let before = app.all(path, "").await.len();
        let answers = join_all((0..8).map(|_| app.make(&admin, path, "k", &body))).await;
        let first = answers[0].body.clone();
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (201, &first));
        }
        let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
        assert_eq!((replayed.count(), app.all(path, "").await.len()), (7, before + 1));
        assert_eq!(app.make(&admin, path, "k", &other).await.code(), "idempotency_key_reused");

        let thing = format!("{path}/{}", id(&first));
        let edited = app.patch(&admin, &thing, "*", &json!({})).await;
        assert_eq!(app.make(&admin, path, "k", &body).await.header("etag"), edited.header("etag"));
        app.remove(&admin, &thing).await.ok(204);
        assert_eq!(app.make(&admin, path, "k", &body).await.code(), "idempotency_key_reused");
        assert_eq!(app.all(path, "").await.len(), before);
    }
}

#[tokio::test]
async fn a_name_and_a_code_are_one_things_whatever_the_case_and_the_blanks() {
    let app = App::new().await;
    let admin = app.admin().await;
    let name = |name: &str| json!({ "name": name });
    let city = app.make(&admin, "/v1/cities", "1", &name("São Paulo")).await.ok(201);
    for taken in ["São Paulo", "são paulo", "SÃO  PAULO", " São Paulo "] {
        let refused = app.make(&admin, "/v1/cities", "2", &name(taken)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "name_taken"), "{taken}");
    }
    let other = app.make(&admin, "/v1/cities", "2", &name("Sao Paulo")).await.ok(201);
    let path = format!("/v1/cities/{}", id(&other));
    assert_eq!(app.patch(&admin, &path, "*", &name("SÃO PAULO")).await.code(), "name_taken");
    app.patch(&admin, &path, "*", &name("SAO PAULO")).await.ok(200);

    let ber = app.make(&admin, "/v1/airports", "1", &airport(id(&city))).await.ok(201);
    let refused = app.make(&admin, "/v1/airports", "2", &airport(id(&other))).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "airport_code_taken"));
    let gru = json!({"code": "GRU", "name": "Guarulhos", "city_id": city["id"], "zone": "America/Sao_Paulo"});
    let gru = app.make(&admin, "/v1/airports", "2", &gru).await.ok(201);
    let path = format!("/v1/airports/{}", id(&gru));
    assert_eq!(app.patch(&admin, &path, "*", &json!({"code": "BER"})).await.code(), "airport_code_taken");
    assert_eq!(app.count("airports").await, 2);
    assert_eq!(app.all("/v1/airports", "code=BER").await, [ber]);
}

/// Eight edits of what all of them have read: one wins. Without the version in the statement, all would.
#[tokio::test]
async fn of_edits_at_once_one_wins_and_the_others_are_told() {
    let app = App::new().await;
    let admin = app.admin().await;
    let city = app.city(&admin).await;
    let airport = app.airport(&admin, &city, "UTC").await;
    let airplane = app.airplane(&admin, 1).await;
    for (path, field) in [
        (format!("/v1/cities/{city}"), "name"),
        (format!("/v1/airports/{airport}"), "name"),
        (format!("/v1/airplanes/{airplane}"), "model"),
    ] {
        let tag = app.get(&path).send().await.header("etag").to_owned();
        app.clock.advance(TimeDelta::seconds(1));
        let bodies: Vec<_> = (0..8).map(|n| json!({field: format!("name {n}")})).collect();
        let answers = join_all(bodies.iter().map(|body| app.patch(&admin, &path, &tag, body))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert!(won.len() == 1 && lost.iter().all(|answer| answer.code() == "version_mismatch"), "{lost:?}");
        let now = app.get(&path).send().await;
        assert_eq!((now.header("etag"), &now.body), (won[0].header("etag"), &won[0].body));
        assert_ne!(now.body["created_at"], now.body["updated_at"]);

        let late = app.ask(Method::DELETE, &path).by(&admin).header("if-match", &tag).send().await;
        assert_eq!((late.status.as_u16(), late.code()), (412, "version_mismatch"));
    }
}

#[tokio::test]
async fn a_change_must_say_what_it_changes_and_a_tag_that_is_not_ours_is_no_version() {
    let app = App::new().await;
    let admin = app.admin().await;
    let path = format!("/v1/cities/{}", app.city(&admin).await);
    let body = json!({"name": "Berlin"});
    let missing = app.ask(Method::PATCH, &path).by(&admin).json(&body).send().await;
    assert_eq!((missing.status.as_u16(), missing.code()), (428, "precondition_required"));
    for tag in ["", "1", "W/\"1\"", "\"2\"", "\"01x\"", "\"-1\"", "\"99999999999999999999\"", "*, \"2\""] {
        let refused = app.patch(&admin, &path, tag, &body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (412, "version_mismatch"), "{tag}");
    }
    let unknown = app.patch(&admin, &format!("/v1/cities/{NOTHING}"), "*", &body).await;
    assert_eq!(unknown.code(), "not_found");
    app.patch(&admin, &path, "\"7\", \"1\"", &body).await.ok(200);
    app.patch(&admin, &path, "*", &json!({})).await.ok(200);
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_and_null_takes_away_only_what_may_be_missing() {
    let app = App::new().await;
    let admin = app.admin().await;
    let city = app.city(&admin).await;
    let mut body = airport(&city);
    body["address"] = json!("Melli-Beese-Ring 1");
    let path = format!("/v1/airports/{}", app.made(&admin, "/v1/airports", &body).await);
    let renamed = app.patch(&admin, &path, "*", &json!({"name": "Schönefeld"})).await.ok(200);
    assert_eq!((&renamed["name"], &renamed["address"]), (&json!("Schönefeld"), &body["address"]));
    let without = app.patch(&admin, &path, "*", &json!({"address": null})).await.ok(200);
    assert_eq!((&without["name"], &without["address"]), (&json!("Schönefeld"), &Value::Null));
    for field in ["code", "name", "city_id", "zone"] {
        let refused = app.patch(&admin, &path, "*", &json!({field: null})).await;
        assert_eq!(refused.pointers(), [format!("/{field}")]);
    }
}

#[tokio::test]
async fn every_wrong_field_is_pointed_at_and_nothing_is_made() {
    let app = App::new().await;
    let admin = app.admin().await;
    let city = app.city(&admin).await;
    let plane = app.airplane(&admin, 1).await;
    let long = "x".repeat(201);
    let names =
        vec![json!(""), json!(" "), json!(long), json!("a\0b"), json!("a\nb"), json!("a\u{2028}b"), json!(5)];
    let ids = vec![
        json!(NOTHING),
        json!(app.show(&admin, 1, 0).await),
        json!("../airplane/1"),
        json!(1e99),
        json!(1),
        json!(null),
    ];
    let numbers =
        vec![json!(0), json!(-1), json!(1.5), json!("180"), json!(10_000_001), json!(1e99), json!(null)];
    for (path, good, field, wrong) in [
        ("/v1/cities", json!({"name": "x"}), "name", names.clone()),
        ("/v1/airports", airport(&city), "name", names.clone()),
        (
            "/v1/airports",
            airport(&city),
            "code",
            vec![json!("ber"), json!("BE"), json!("BERL"), json!("B3R"), json!("ÄÖÜ"), json!("")],
        ),
        (
            "/v1/airports",
            airport(&city),
            "zone",
            vec![json!("Mars/Olympus"), json!("+02:00"), json!(""), json!(null)],
        ),
        ("/v1/airports", airport(&city), "city_id", ids),
        ("/v1/airports", airport(&city), "address", vec![json!(""), json!("a\r\nb"), json!("x".repeat(501))]),
        ("/v1/airplanes", json!({"model": "x", "capacity": 1}), "model", names),
        ("/v1/airplanes", json!({"model": "x", "capacity": 1}), "capacity", numbers),
    ] {
        for value in wrong {
            let mut body = good.clone();
            body[field] = value.clone();
            let refused = app.make(&admin, path, "k", &body).await;
            assert_eq!(
                (refused.status.as_u16(), refused.pointers()),
                (422, vec![format!("/{field}").as_str()]),
                "{value}"
            );
        }
        for field in ["id", "version", "created_at"] {
            let mut body = good.clone();
            body[field] = json!(7);
            assert_eq!(app.make(&admin, path, "k", &body).await.pointers(), [format!("/{field}")]);
        }
    }
    assert_eq!(
        (app.count("cities").await, app.count("airports").await, app.count("airplanes").await),
        (1, 0, 1)
    );
    for path in ["/v1/cities", "/v1/airports", "/v1/airplanes"] {
        for id in [NOTHING, "7", "null", "%2e%2e%2fairplane%2f1"] {
            assert_eq!(app.get(&format!("{path}/{id}")).send().await.code(), "not_found", "{path}/{id}");
            assert_eq!(app.remove(&admin, &format!("{path}/{id}")).await.code(), "not_found");
        }
        for (query, pointer) in [("limit=0", "/limit"), ("limit=201", "/limit"), ("page=1", "/page")] {
            assert_eq!(app.get(&format!("{path}?{query}")).send().await.pointers(), [pointer]);
        }
        let made_up = app.get(&format!("{path}?cursor=abc")).send().await;
        assert_eq!((made_up.status.as_u16(), made_up.code()), (400, "invalid_cursor"));
    }
    for (query, pointer) in [("code=ber", "/code"), ("city_id=1", "/city_id")] {
        assert_eq!(app.get(&format!("/v1/airports?{query}")).send().await.pointers(), [pointer]);
    }
    assert_eq!(app.get("/v1/cities?name=%00").send().await.pointers(), ["/name"]);
    app.remove(&admin, &format!("/v1/airplanes/{plane}")).await.ok(204);
}

#[tokio::test]
async fn cities_are_listed_by_name_and_found_by_how_it_begins() {
    let app = App::new().await;
    let admin = app.admin().await;
    for name in ["Berlin", "bergen", "Bern", "Zürich", "Öland", "100 Mile House", "Be", "b%rn"] {
        app.made(&admin, "/v1/cities", &json!({"name": name})).await;
    }
    let names = async |query: &str| {
        let all = app.all("/v1/cities", query).await;
        all.iter().map(|city| city["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        names("limit=3").await,
        ["100 Mile House", "b%rn", "Be", "bergen", "Berlin", "Bern", "Zürich", "Öland"]
    );
    assert_eq!(names("name=BER&limit=1").await, ["bergen", "Berlin", "Bern"]);
    assert_eq!(names("name=b%25").await, ["b%rn"]);
    assert_eq!(names("name=%C3%B6").await, ["Öland"]);
    assert_eq!(names("name=x").await, Vec::<String>::new());
    let page = app.get("/v1/cities?name=b&limit=1").send().await.ok(200);
    let cursor = page["meta"]["next_cursor"].as_str().unwrap();
    assert_eq!(app.get(&format!("/v1/cities?cursor={cursor}")).send().await.code(), "invalid_cursor");
}

/// Without one spelling, São Paulo was two cities, and a search by the other found nothing.
#[tokio::test]
async fn a_name_has_one_spelling_whatever_keyboard_wrote_it() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (composed, decomposed) = ("S\u{e3}o Paulo", "Sa\u{303}o Paulo");
    let made = app.make(&admin, "/v1/cities", "1", &json!({"name": decomposed})).await.ok(201);
    assert_eq!(made["name"], composed);
    for (key, other) in ["a", "b", "c", "d"].into_iter().zip([
        composed,
        decomposed,
        "SA\u{303}O PAULO",
        "S\u{e3}o\u{a0}Paulo",
    ]) {
        let taken = app.make(&admin, "/v1/cities", key, &json!({"name": other})).await;
        assert_eq!(taken.code(), "name_taken", "{other}");
    }
    app.make(&admin, "/v1/cities", "2", &json!({"name": "Gro\u{df}enhain"})).await.ok(201);
    let taken = app.make(&admin, "/v1/cities", "3", &json!({"name": "GROSSENHAIN"})).await;
    assert_eq!(taken.code(), "name_taken");
    for (prefix, found) in [("Sa%CC%83o", composed), ("s%C3%A3o", composed), ("gross", "Gro\u{df}enhain")] {
        let listed = app.all("/v1/cities", &format!("name={prefix}")).await;
        assert_eq!((listed.len(), &listed[0]["name"]), (1, &json!(found)), "{prefix}");
    }
    let city = made["id"].as_str().unwrap();
    app.airport(&admin, city, "America/Sao_Paulo").await;
    for place in ["Sa%CC%83o%20Paulo", "S%C3%83O%20PAULO"] {
        app.get(&format!("/v1/flights?from={place}")).send().await.ok(200);
    }
}

/// What stood in the tables before names had one spelling is found by it, too.
#[tokio::test]
async fn names_and_addresses_from_before_are_spelled_anew() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    for sql in [
        "INSERT INTO cities (city_id, name, name_key, created_at, updated_at)
         VALUES (gen_random_uuid(), 'Sa\u{303}o Paulo', 'sa\u{303}o paulo', now(), now()),
                (gen_random_uuid(), 'Großenhain', 'großenhain', now(), now()),
                (gen_random_uuid(), 'Grossenhain', 'grossenhain', now(), now())",
        "UPDATE users SET email = 'zoe\u{308}@example.com'",
    ] {
        sqlx::query(sql).execute(&app.pool).await.unwrap();
    }
    let migration = include_str!("../../../../migrations/0022_spelling.sql");
    sqlx::raw_sql(migration).execute(&app.pool).await.unwrap();
    assert_eq!(app.all("/v1/cities", "name=S%C3%A3o").await[0]["name"], "S\u{e3}o Paulo");
    assert_eq!(app.all("/v1/cities", "").await.len(), 3, "of two with one spelling both stay");
    assert_eq!(app.signed_in("zo\u{eb}@example.com").await.id, ada.id);
}

#[tokio::test]
async fn airports_are_listed_page_by_page_of_a_city_or_all() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (berlin, bonn) = (app.city(&admin).await, app.city(&admin).await);
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(app.airport(&admin, if n % 2 == 0 { &berlin } else { &bonn }, "Europe/Berlin").await);
    }
    let ids = async |query: &str| {
        let all = app.all("/v1/airports", query).await;
        all.iter().map(|airport| id(airport).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("limit=2").await, made);
    assert_eq!(ids(&format!("limit=1&city_id={bonn}")).await, [made[1].clone(), made[3].clone()]);
    assert_eq!(ids(&format!("code=AAD&city_id={bonn}")).await, [made[3].clone()]);
    assert_eq!(ids(&format!("city_id={NOTHING}")).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_city_with_airports_stays() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (city, other) = (app.city(&admin).await, app.city(&admin).await);
    let airport = format!("/v1/airports/{}", app.airport(&admin, &city, "UTC").await);
    let path = format!("/v1/cities/{city}");
    let refused = app.remove(&admin, &path).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code(), &refused.body["used_by"]),
        (409, "in_use", &json!("airports"))
    );
    app.patch(&admin, &airport, "*", &json!({"city_id": other})).await.ok(200);
    app.remove(&admin, &path).await.ok(204);
    assert_eq!(app.patch(&admin, &airport, "*", &json!({"city_id": city})).await.pointers(), ["/city_id"]);
    assert_eq!(app.get(&path).send().await.code(), "not_found");
}

/// Both ways round: an airport that is being made when its city is deleted, and a city that is being deleted when an
/// airport comes. Without the foreign key, the airport's city would be gone.
#[tokio::test]
async fn an_airport_that_is_made_while_its_city_is_deleted_does_not_dangle() {
    let app = App::new().await;
    let admin = app.admin().await;
    let city = app.city(&admin).await;
    let mut making = app.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO airports (airport_id, name, city_id, zone, created_at, updated_at)
                 SELECT gen_random_uuid(), 'x', city_id, 'UTC', now(), now() FROM cities",
    )
    .execute(&mut *making)
    .await
    .unwrap();
    let path = format!("/v1/cities/{city}");
    let (refused, ()) = tokio::join!(app.remove(&admin, &path), async {
        app.wait_for_a_lock().await;
        making.commit().await.unwrap();
    });
    assert_eq!(refused.code(), "in_use");

    let empty = app.city(&admin).await;
    let mut deleting = app.pool.begin().await.unwrap();
    let body = airport(&empty);
    let delete = sqlx::query("DELETE FROM cities WHERE city_id = $1::uuid").bind(&empty);
    delete.execute(&mut *deleting).await.unwrap();
    let (refused, ()) = tokio::join!(app.make(&admin, "/v1/airports", "k", &body), async {
        app.wait_for_a_lock().await;
        deleting.commit().await.unwrap();
    });
    assert_eq!(refused.pointers(), ["/city_id"]);
    assert_eq!(app.count("airports").await, 1);
}

impl App {
    /// Until some statement on this database waits for another transaction.
    async fn wait_for_a_lock(&self) {
        let sql = "SELECT count(*) > 0 FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waits = async || sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap();
        eventually(PATIENCE, "a statement waits for a lock", waits).await;
    }
}
