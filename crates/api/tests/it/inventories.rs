//! The seats, and the commands of the house.

use crate::app::App;
use serde_json::json;

#[tokio::test]
async fn the_house_changes_the_seats_and_is_told_what_there_is_then() {
    let app = App::new().await;
    let admin = app.admin().await;
    let show = app.show(&admin, 10, 0).await;
    app.booking(&admin, &show, 6).await;
    let send = async |command: &str, body: serde_json::Value| {
        app.post(&format!("/v1/inventories/{show}/{command}")).by(&admin).json(&body).send().await
    };
    let seats = send("block", json!({"quantity": 3, "reason": "sound_desk"})).await;
    assert!(!seats.header("consistency-token").is_empty());
    let seats = seats.ok(200);
    assert_eq!(
        (&seats["blocked"], &seats["available"], &seats["level"]),
        (&json!(3), &json!(1), &json!("low"))
    );
    let sold_out = send("block", json!({"quantity": 2, "reason": "sound_desk"})).await;
    assert_eq!((sold_out.status.as_u16(), sold_out.code()), (409, "sold_out"));
    let too_many = send("unblock", json!({"quantity": 4})).await;
    assert_eq!((too_many.status.as_u16(), too_many.pointers()), (422, vec!["/quantity"]));
    assert_eq!(send("unblock", json!({"quantity": 3})).await.ok(200)["available"], 4);
    let shrunk = send("capacity", json!({"capacity": 4})).await.ok(200);
    assert_eq!((&shrunk["oversold_by"], &shrunk["available"]), (&json!(2), &json!(0)));
    assert_eq!(send("close-sales", json!({})).await.ok(200)["level"], "closed");
    assert_eq!(send("reopen-sales", json!({})).await.ok(200)["sales"], "open");
}

/// Availability may lag, but never behind what its reader has seen.
#[tokio::test]
async fn availability_includes_what_the_consistency_token_stands_for_even_if_no_projector_runs() {
    let app = App::new().await;
    let admin = app.admin().await;
    let show = app.show(&admin, 10, 0).await;
    let path = format!("/v1/inventories/{show}/availability");
    assert_eq!(app.get(&path).send().await.ok(200)["available"], 10); // not in the read model yet
    app.project().await;
    let token = app.reserve(&admin, &show, 4, "k").send().await.header("consistency-token").to_owned();
    let late = app.get(&path).send().await.ok(200);
    assert_eq!((&late["available"], &late["stale"]), (&json!(10), &json!(false)));
    let fresh = app.get(&path).header("consistency-token", &token).send().await.ok(200);
    assert_eq!((&fresh["available"], &fresh["position"]), (&json!(6), &json!(token)));
    app.project().await;
    assert_eq!(app.get(&path).send().await.ok(200), fresh);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let app = App::new().await;
    let (admin, nothing) = (app.admin().await, "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11");
    for path in [format!("/v1/shows/{nothing}"), format!("/v1/inventories/{nothing}/availability")] {
        assert_eq!(app.get(&path).send().await.code(), "not_found", "{path}");
    }
    let unknown =
        app.post(&format!("/v1/inventories/{nothing}/capacity")).by(&admin).json(&json!({"capacity": 1}));
    assert_eq!(unknown.send().await.code(), "not_found");
    assert_eq!(app.reserve(&admin, nothing, 1, "k").send().await.code(), "not_found");
}
