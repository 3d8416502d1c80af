//! The list of shows: upcoming unless asked otherwise, by start and by name, page by page.

use crate::app::{App, Someone, show};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Opens a show of that name and start.
async fn named(app: &App, admin: &Someone, name: &str, starts_at: Option<&str>) -> String {
    let mut body = show(10, 900);
    (body["name"], body["starts_at"]) = (json!(name), json!(starts_at));
    app.made(admin, "/v1/shows", &body).await
}

/// The names of a list's shows.
async fn names(app: &App, query: &str) -> Vec<String> {
    let page = app.get(&format!("/v1/shows?{query}")).send().await.ok(200);
    page["data"].as_array().unwrap().iter().map(|show| show["name"].as_str().unwrap().to_owned()).collect()
}

/// It is noon on the first of May.
async fn season(app: &App) -> Someone {
    let admin = app.admin().await;
    for (name, starts_at) in [
        ("Someday", None),
        ("Hamlet", Some("2026-06-02T18:00:00Z")),
        ("Die Zauberfl\u{f6}te", Some("2026-05-03T18:00:00Z")),
        ("Matinee", Some("2026-05-01T12:10:00Z")),
        ("The Tempest", Some("2026-06-01T18:00:00Z")),
    ] {
        named(app, &admin, name, starts_at).await;
    }
    let cancelled = named(app, &admin, "Carmen", Some("2026-05-10T18:00:00Z")).await;
    let cancel = app.post(&format!("/v1/shows/{cancelled}/cancel")).by(&admin);
    cancel.json(&json!({"reason": "illness"})).send().await.ok(200);
    app.project().await;
    admin
}

#[tokio::test]
async fn upcoming_shows_are_listed_by_their_start_and_past_ones_on_request() {
    let app = App::new().await;
    season(&app).await;
    let upcoming = ["Matinee", "Die Zauberfl\u{f6}te", "The Tempest", "Hamlet", "Someday"];
    assert_eq!(names(&app, "").await, upcoming, "without the one that is cancelled");
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(names(&app, "").await, upcoming[1..], "the first has begun");
    assert_eq!(names(&app, "from=2026-05-01T12:10:00Z").await, upcoming);
    assert_eq!(names(&app, "from=2020-01-01T00:00:00Z&to=2026-05-03T18:00:00Z").await, upcoming[..1]);
}

#[tokio::test]
async fn a_window_takes_shows_by_their_start() {
    let app = App::new().await;
    season(&app).await;
    let june = "from=2026-06-01T00:00:00%2B02:00&to=2026-06-02T18:00:00Z";
    assert_eq!(names(&app, june).await, ["The Tempest"]);
    assert_eq!(names(&app, "to=2026-06-01T18:00:00.000001Z").await.len(), 3);
    assert_eq!(names(&app, "from=2026-06-03T00:00:00Z").await, ["Someday"], "it may begin then");
}

#[tokio::test]
async fn a_name_is_found_by_its_words_in_any_spelling() {
    let app = App::new().await;
    season(&app).await;
    for q in ["zauberfl\u{f6}te", "Zauberflo%CC%88te", "DIE zauber", "zaub d", "\u{ff3a}auberfl"] {
        assert_eq!(
            names(&app, &format!("q={}", q.replace(' ', "%20"))).await,
            ["Die Zauberfl\u{f6}te"],
            "{q}"
        );
    }
    assert_eq!(names(&app, "q=t").await, ["The Tempest"]);
    assert_eq!(names(&app, "q=empest").await, Vec::<String>::new(), "words are found by their beginning");
    assert_eq!(names(&app, "q=hamlet%20tempest").await, Vec::<String>::new());
    assert_eq!(names(&app, "q=carmen&from=2020-01-01T00:00:00Z").await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_follow_each_other_and_a_cursor_is_good_for_its_own_list() {
    let app = App::new().await;
    season(&app).await;
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = app.get(&format!("/v1/shows?{query}")).send().await.ok(200);
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
        for other in ["q=hamlet", "to=2030-01-01T00:00:00Z", "from=2026-05-01T12:00:00Z"] {
            let refused = app.get(&format!("/v1/shows?{query}&{other}")).send().await;
            assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_cursor"), "{other}");
        }
        assert_eq!(app.get(&format!("/v1/flights?{query}")).send().await.code(), "invalid_cursor");
    }
    let all = app.get("/v1/shows").send().await.ok(200);
    assert_eq!((Value::from(seen), &all["meta"]["next_cursor"]), (all["data"].clone(), &Value::Null));
}

#[tokio::test]
async fn wrong_filters_of_shows_are_pointed_at() {
    let app = App::new().await;
    let many = "a%20".repeat(21);
    for (query, pointer) in [
        ("from=tomorrow", "/from"),
        ("from=2026-05-01", "/from"),
        ("to=2026-05-01T12:00:00", "/to"),
        ("from=2026-05-01T12:00:00Z&to=2026-05-01T12:00:00Z", "/to"),
        ("q=", "/q"),
        ("q=%20!", "/q"),
        ("q=a%00b", "/q"),
        (&format!("q={many}"), "/q"),
        (&format!("q={}", "x".repeat(201)), "/q"),
        ("name=hamlet", "/name"),
    ] {
        let refused = app.get(&format!("/v1/shows?{query}")).send().await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec![pointer]), "{}", refused.text);
    }
}
