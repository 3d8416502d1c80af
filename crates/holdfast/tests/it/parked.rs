//! An event that cannot be applied, as an operator meets it: seen, decided, and gone.

use crate::{server::Place, tour::PATIENCE};
use holdfast_cluster::Cluster;
use holdfast_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgConnection};

/// A row was tampered with, so that the tables refuse the next sale. Its inventory goes on selling, and is shown as the
/// writer knows it; all others are as ever.
#[tokio::test]
async fn an_event_that_cannot_be_applied_is_shown_decided_and_gone() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let (held_up, other) = (place.open_show(&admin, 10, 0).await, place.open_show(&admin, 10, 0).await);
    let book = async |show: &str, status| {
        let asked = json!({"inventory_id": show, "quantity": 1});
        place.ask(Method::POST, "/v1/bookings", &admin, asked, status).await
    };
    let confirmed = async |show: &str| {
        let seats = format!("/v1/inventories/{show}/availability");
        let seats = place.ask(Method::GET, &seats, &admin, Value::Null, StatusCode::OK).await;
        seats["confirmed"].clone()
    };
    book(&held_up, StatusCode::CREATED).await;
    book(&other, StatusCode::CREATED).await;

    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut connection = cluster.connect_options("holdfast").connect().await.unwrap();
    let set_confirmed = async |connection: &mut PgConnection, confirmed: i32| {
        let set =
            sqlx::query("UPDATE availability.inventories SET confirmed = $1 WHERE inventory_id = $2::uuid");
        set.bind(confirmed).bind(&held_up).execute(connection).await.unwrap()
    };
    eventually(PATIENCE, "the rows are there", async || {
        confirmed(&held_up).await == 1 && confirmed(&other).await == 1
    })
    .await;
    set_confirmed(&mut connection, i32::MAX).await;
    book(&held_up, StatusCode::CREATED).await;

    let state = async || {
        let ready = server.readiness().await;
        let flow = ready["flow"].as_array().unwrap();
        let availability = flow.iter().find(|follower| follower["follower"] == "availability").unwrap();
        availability["state"].clone()
    };
    eventually(PATIENCE, "the stream is parked", async || state().await == "parked").await;
    book(&held_up, StatusCode::CREATED).await;
    book(&other, StatusCode::CREATED).await;
    assert_eq!(confirmed(&held_up).await, 3, "as the writer knows it");
    eventually(PATIENCE, "all others flow", async || confirmed(&other).await == 2).await;

    let (code, text) = place.run(&["parked", "list"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("availability: stream {held_up} waits at")), "{text}");
    assert!(text.contains("with 2 events") && text.contains("out of range"), "{text}");
    let (code, text) = place.run(&["verify"]).await;
    assert!(code == Some(1) && text.contains("1 streams of availability are parked"), "{text}");
    let (code, text) = place.run(&["parked", "retry", "availability"]).await;
    assert!(
        code == Some(0) && text.contains("0 events applied, 0 streams flow again, 1 still wait"),
        "{text}"
    );
    let (code, text) = place.run(&["parked", "skip", "availability", "0-1", "--reason", "a guess"]).await;
    assert!(code == Some(1) && text.contains("holds no stream up"), "{text}");

    set_confirmed(&mut connection, 1).await;
    let (code, text) = place.run(&["parked", "retry", "availability", "--stream", &held_up]).await;
    assert!(
        code == Some(0) && text.contains("2 events applied, 1 streams flow again, 0 still wait"),
        "{text}"
    );
    eventually(PATIENCE, "nothing is parked", async || state().await == "current").await;
    // The projector learns it with the next event of the stream.
    book(&held_up, StatusCode::CREATED).await;
    eventually(PATIENCE, "it flows", async || confirmed(&held_up).await == 4).await;
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}
