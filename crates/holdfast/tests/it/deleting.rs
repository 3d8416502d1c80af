//! Accounts that are deleted while they have bookings to come.

use crate::{booked::connection, server::Place, tour::PATIENCE};
use holdfast_cluster::Cluster;
use holdfast_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// A deleted account is on the list until its tokens have ended and its bookings were looked through again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

impl Place {
    /// A booking of a new account on a show to come, which the read models have; its id.
    async fn booked_by(&self, admin: &str, email: &str) -> String {
        let show = json!({"name": "Opening night", "starts_at": "2099-05-01T18:00:00Z", "capacity": 10,
            "price": {"amount": 2_500, "currency": "EUR"}});
        let show = self.ask(Method::POST, "/v1/shows", admin, show, StatusCode::CREATED).await;
        let token = self.customer(email).await;
        let seats = json!({"inventory_id": show["id"], "quantity": 2});
        let booking = self.ask(Method::POST, "/v1/bookings", &token, seats, StatusCode::CREATED).await;
        eventually(PATIENCE, "the read models have the booking", async || {
            let page = self.ask(Method::GET, "/v1/bookings", &token, Value::Null, StatusCode::OK).await;
            let show = format!("/v1/inventories/{}/availability", show["id"].as_str().unwrap());
            let seats = self.ask(Method::GET, &show, &token, Value::Null, StatusCode::OK).await;
            page["data"][0]["id"] == booking["id"] && seats["held"] == 2
        })
        .await;
        booking["id"].as_str().unwrap().to_owned()
    }

    async fn booking(&self, admin: &str, id: &str) -> (String, Value) {
        let path = format!("/v1/bookings/{id}");
        let booking = self.ask(Method::GET, &path, admin, Value::Null, StatusCode::OK).await;
        (booking["status"].as_str().unwrap().to_owned(), booking["reason"].clone())
    }
}

#[tokio::test]
async fn an_account_with_bookings_to_come_is_deleted_only_with_a_flag() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let ada = place.booked_by(&admin, "ada@example.org").await;
    let bob = place.booked_by(&admin, "bob@example.org").await;

    let (code, text) = place.run(&["user", "delete", "ada@example.org"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("ada@example.org has 1 live bookings to come; --cancel-bookings"), "{text}");
    let (code, text) = place.run(&["user", "delete", "ada@example.org", "--cancel-bookings"]).await;
    assert_eq!(code, Some(0), "{text}");
    eventually(PATIENCE, "the server cancels the booking", async || {
        place.booking(&admin, &ada).await == ("cancelled".to_owned(), json!("account_deleted"))
    })
    .await;
    let (code, text) = place.run(&["user", "delete", "bob@example.org", "--keep-bookings"]).await;
    assert_eq!(code, Some(0), "{text}");
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut connection = connection(&cluster).await;
    eventually(FORGOTTEN_AFTER, "nothing is left to do for the account", async || {
        let sql = "SELECT count(*) FROM ended_accounts";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() == 0
    })
    .await;
    assert_eq!(place.booking(&admin, &bob).await.0, "held");
    drop(connection);
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn bookings_of_an_account_that_is_deleted_without_a_server_are_cancelled_by_the_next() {
    let place = Place::new();
    let server = place.up().await;
    let booking = place.booked_by(&place.admin().await, "ada@example.org").await;
    assert_eq!(server.terminate().await, Some(0));
    let (code, text) = place.run(&["user", "delete", "ada@example.org", "--cancel-bookings"]).await;
    assert_eq!(code, Some(0), "{text}");
    let server = place.up().await;
    let admin = place.admin().await;
    eventually(PATIENCE, "the server cancels the booking", async || {
        place.booking(&admin, &booking).await == ("cancelled".to_owned(), json!("account_deleted"))
    })
    .await;
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}
