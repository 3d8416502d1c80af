//! Accounts that are deleted while they have bookings to come.

use crate::{booked::connection, server::Place, tour::PATIENCE};
use holdfast_cluster::Cluster;
use holdfast_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
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

/// Files below a folder, but for those of Postgres's tables: what has `word` in it.
fn files_with(folder: &Path, word: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "postgres") {
                files_with(&path, word, found);
            }
        } else if std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(word)) {
            found.push(path);
        }
    }
}

/// Its mails in the folder, and what a refused sign-up has left in a log.
#[tokio::test]
async fn after_a_deletion_no_mail_in_the_folder_and_no_log_has_the_address() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let booking = place.booked_by(&admin, "zoe@example.org").await;
    let zoe = place.sign_in("zoe@example.org", "correct horse battery").await;
    let confirm = format!("/v1/bookings/{booking}/confirm");
    place.ask(Method::POST, &confirm, &zoe, Value::Null, StatusCode::OK).await;
    let found = || {
        let mut found = vec![];
        files_with(&place.data(), "zoe@example.org", &mut found);
        found
    };
    eventually(PATIENCE, "the mail is in the folder", async || !found().is_empty()).await;
    // A statement that fails on the key, past ours: Postgres writes of it into its log.
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut connection = connection(&cluster).await;
    let twice =
        "INSERT INTO users SELECT gen_random_uuid(), email, password_hash, role, created_at FROM users";
    assert!(sqlx::query(twice).execute(&mut connection).await.is_err());
    let body = json!({"current_password": "correct horse battery"});
    let path = "/v1/users/me?cancel_bookings=true";
    place.ask(Method::DELETE, path, &zoe, body, StatusCode::NO_CONTENT).await;
    eventually(PATIENCE, "no file has the address", async || found().is_empty()).await;
    drop(connection);
    assert_eq!(server.terminate().await, Some(0));
    assert_eq!(found(), Vec::<PathBuf>::new());
}
