//! Lists from the read models: pages, filters, and how fresh they say they are.

use crate::app::{App, Someone};
use chrono::TimeDelta;
use holdfast_api::users::Role;
use serde_json::{Value, json};
use tokio::time::Instant;

async fn ids(app: &App, who: &Someone, query: &str) -> Vec<Value> {
    let page = app.get(&format!("/v1/bookings?{query}")).by(who).send().await.ok(200);
    page["data"].as_array().unwrap().iter().map(|booking| booking["id"].clone()).collect()
}

#[tokio::test]
async fn a_history_shows_each_booking_once_page_by_page_as_the_booking_itself_looks() {
    let app = App::new().await;
    let (admin, ada, bob) = (app.admin().await, app.customer("ada").await, app.customer("bob").await);
    let show = app.show(&admin, 100, 900).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, app.booking(&ada, &show, 1).await);
        app.clock.advance(TimeDelta::seconds(1));
    }
    app.booking(&bob, &show, 1).await;
    app.project().await;
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = app.get(&format!("/v1/bookings?{query}")).by(&ada).send().await.ok(200);
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_history_can_be_filtered_and_a_cursor_does_not_change_the_filter() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let (held, confirmed) = (app.booking(&ada, &show, 1).await, app.booking(&ada, &show, 1).await);
    let path = format!("/v1/bookings/{}/confirm", confirmed["id"].as_str().unwrap());
    app.post(&path).by(&ada).send().await.ok(200);
    app.project().await;
    assert_eq!(ids(&app, &ada, "status=held").await, [held["id"].clone()]);
    assert_eq!(ids(&app, &ada, "status=confirmed").await, [confirmed["id"].clone()]);
    let page = app.get("/v1/bookings?status=held&limit=1").by(&ada).send().await.ok(200);
    let cursor = page["meta"]["next_cursor"].as_str().unwrap();
    for query in
        [format!("cursor={cursor}"), format!("status=confirmed&cursor={cursor}"), "cursor=made-up".to_owned()]
    {
        let refused = app.get(&format!("/v1/bookings?{query}")).by(&ada).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_cursor"), "{query}");
    }
    let shows = app.get(&format!("/v1/shows?cursor={cursor}")).send().await;
    assert_eq!(shows.code(), "invalid_cursor");
}

#[tokio::test]
async fn an_agent_sees_the_history_of_the_user_it_names() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let agent = app.someone("agent", Role::Agent).await;
    let show = app.show(&admin, 100, 900).await;
    let booking = app.booking(&ada, &show, 1).await;
    app.project().await;
    assert_eq!(ids(&app, &agent, &format!("user_id={}", ada.id)).await, [booking["id"].clone()]);
    assert_eq!(ids(&app, &agent, "").await, Vec::<Value>::new());
}

/// A list that cannot include what its reader has seen says so, after half a second, and never fails.
#[tokio::test]
async fn a_list_waits_for_its_read_model_and_else_says_that_it_is_stale() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    app.project().await;
    let token = app.reserve(&ada, &show, 1, "k").send().await.header("consistency-token").to_owned();
    let list =
        async || app.get("/v1/bookings").by(&ada).header("consistency-token", &token).send().await.ok(200);
    let asked = Instant::now();
    let stale = list().await;
    assert!(asked.elapsed().as_millis() >= 500);
    assert_eq!((&stale["data"], &stale["meta"]["stale"]), (&json!([]), &json!(true)));
    assert_ne!(stale["meta"]["as_of"], token.as_str());
    let (waited, ()) = tokio::join!(list(), app.project());
    assert_eq!((&waited["meta"]["stale"], &waited["meta"]["as_of"]), (&json!(false), &json!(token)));
    assert_eq!(waited["data"].as_array().unwrap().len(), 1);
    let unreadable = app.get("/v1/bookings").by(&ada).header("consistency-token", "x").send().await.ok(200);
    assert_eq!(unreadable["meta"]["stale"], true);
}

#[tokio::test]
async fn lists_of_read_models_that_were_never_made_are_empty_and_say_that_they_are_stale() {
    let app = App::new().await;
    let admin = app.admin().await;
    for path in ["/v1/bookings", "/v1/shows", "/v1/flights"] {
        let page = app.get(path).by(&admin).send().await.ok(200);
        assert_eq!((&page["data"], &page["meta"]["stale"]), (&json!([]), &json!(true)), "{path}");
    }
}

/// Of all users, as each booking itself looks.
#[tokio::test]
async fn staff_sees_who_has_booked_page_by_page_and_by_status() {
    let app = App::new().await;
    let (admin, ada, bob) = (app.admin().await, app.customer("ada").await, app.customer("bob").await);
    let agent = app.someone("agent", Role::Agent).await;
    let (show, other) = (app.show(&admin, 100, 900).await, app.show(&admin, 100, 900).await);
    let path = format!("/v1/inventories/{show}/bookings");
    let list = async |query: &str| app.get(&format!("{path}?{query}")).by(&agent).send().await;
    assert_eq!(list("").await.ok(200)["meta"]["stale"], true, "the read model was never made");
    let mut made = Vec::new();
    for who in [&ada, &bob, &ada] {
        made.insert(0, app.booking(who, &show, 1).await);
        app.clock.advance(TimeDelta::seconds(1));
    }
    app.booking(&ada, &other, 1).await;
    let confirm = format!("/v1/bookings/{}/confirm", made[1]["id"].as_str().unwrap());
    made[1] = app.post(&confirm).by(&bob).send().await.ok(200);
    app.project().await;
    let first = list("limit=2").await.ok(200);
    let cursor = first["meta"]["next_cursor"].as_str().unwrap();
    let second = list(&format!("limit=2&cursor={cursor}")).await.ok(200);
    let pages = [&first, &second].map(|page| page["data"].as_array().unwrap().clone()).concat();
    assert_eq!((pages, &second["meta"]["next_cursor"]), (made.clone(), &Value::Null));
    assert_eq!(list("status=confirmed").await.ok(200)["data"], json!([made[1]]));
    let refused = list(&format!("status=held&cursor={cursor}")).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_cursor"));
    assert_eq!(list("status=sold").await.pointers(), ["/status"]);
    let nothing = "/v1/inventories/0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11/bookings";
    assert_eq!(app.get(nothing).by(&agent).send().await.status, 404);
}

/// With the token of a booking the page waits for it, or says that it may lack it.
#[tokio::test]
async fn bookings_of_an_inventory_say_how_fresh_they_are() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    app.project().await;
    let token = app.reserve(&ada, &show, 1, "k").send().await.header("consistency-token").to_owned();
    let path = format!("/v1/inventories/{show}/bookings");
    let list = async || app.get(&path).by(&admin).header("consistency-token", &token).send().await.ok(200);
    let stale = list().await;
    assert_eq!((&stale["meta"]["stale"], &stale["data"]), (&json!(true), &json!([])));
    let (waited, ()) = tokio::join!(list(), app.project());
    assert_eq!((&waited["meta"]["stale"], &waited["meta"]["as_of"]), (&json!(false), &json!(token)));
    assert_eq!(waited["data"].as_array().unwrap().len(), 1);
}
