//! The README's tour, and what an operator does after it, on the executable itself.

use crate::server::{Place, program, rand_key};
use holdfast_cluster::Cluster;
use holdfast_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use std::{path::Path, time::Duration};
use tokio::{process::Command, time::timeout};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The address of the admin that a new system begins with.
const ADMIN: &str = "admin@holdfast.local";
const README: &str = include_str!("../../../../README.md");

impl Place {
    /// Asks; checks the status; returns the body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
        status: StatusCode,
    ) -> Value {
        let mut request = self
            .http
            .request(method, self.url(path))
            .bearer_auth(token)
            .header("Idempotency-Key", rand_key());
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (got, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(got, status, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) async fn customer(&self, email: &str) -> String {
        let account = json!({"email": email, "password": "correct horse battery"});
        let answer = self.http.post(self.url("/v1/users")).json(&account).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        self.sign_in(email, "correct horse battery").await
    }
}

/// The shell blocks of a section of the README, as somebody pastes them one after the other.
fn readme_shell(section: &str, blocks: usize) -> String {
    let section = README.split(&format!("\n## {section}\n")).nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let found: Vec<_> = section.split("```sh\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    assert_eq!(found.len(), blocks);
    found.concat()
}

impl Place {
    /// Pastes it into a shell, against the server of this place, and returns what was answered.
    async fn paste(&self, shell: &str) -> Vec<Value> {
        assert!(shell.contains("api=http://127.0.0.1:8080\n"), "the line that is replaced here");
        let shell = shell.replace("http://127.0.0.1:8080", &self.url(""));
        let shell = Command::new("bash").args(["-eu", "-c", &shell]).current_dir(self.folder()).output();
        let output = shell.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        answers.collect::<Result<_, _>>().unwrap()
    }
}

/// Pastes what the README says into a shell, and rebuilds and verifies what it made: every answer is real.
#[tokio::test]
async fn the_tour_of_the_readme_works() {
    let place = Place::new();
    let server = place.up().await;
    assert!(server.ready_line.contains(&place.url("")), "{}", server.ready_line);
    let answers = place.paste(&readme_shell("A tour of five minutes", 2)).await;
    let [user, held, confirmed, seats, history, timeline, refused] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((&held["status"], &held["user_id"]), (&json!("held"), &user["id"]), "{held}");
    assert_eq!(confirmed["status"], "confirmed");
    assert_eq!(confirmed["id"], held["id"], "the same key again was the same booking");
    assert_eq!(seats["capacity"], 100, "{seats}");
    assert!(history["data"].is_array(), "{history}");
    assert_eq!(timeline["data"].as_array().unwrap().len(), 2, "{timeline}");
    assert_eq!(refused["code"], "validation_failed");

    let (booking, show) = (held["id"].as_str().unwrap(), held["inventory_id"].as_str().unwrap());
    let token = place.sign_in("ada@example.org", "correct horse battery").await;
    eventually(PATIENCE, "history and availability follow", async || {
        let history = place.ask(Method::GET, "/v1/bookings", &token, Value::Null, StatusCode::OK).await;
        let seats = format!("/v1/inventories/{show}/availability");
        let seats = place.ask(Method::GET, &seats, &token, Value::Null, StatusCode::OK).await;
        history["data"][0]["status"] == "confirmed" && seats["available"] == 98
    })
    .await;
    let history = place.ask(Method::GET, "/v1/bookings", &token, Value::Null, StatusCode::OK).await;

    let (code, text) = place.run(&["rebuild", "booking-history"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("equal to the live ones"), "{text}");
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = place.run(&["log", "show", booking]).await;
    assert_eq!((code, text.lines().count()), (Some(0), 2), "{text}");
    let (code, text) = place.run(&["log", "tail"]).await;
    assert_eq!((code, text.lines().count()), (Some(0), 3), "{text}");
    let again = place.ask(Method::GET, "/v1/bookings", &token, Value::Null, StatusCode::OK).await;
    assert_eq!(history["data"], again["data"], "the rebuilt history is the same");

    let (code, text) = place.run(&["user", "grant", "ada@example.org", "admin"]).await;
    assert_eq!(code, Some(0), "{text}");
    eventually(PATIENCE, "the new role takes effect", async || {
        let close = place.url(&format!("/v1/inventories/{show}/close-sales"));
        place.http.post(close).bearer_auth(&token).send().await.unwrap().status() == StatusCode::OK
    })
    .await;
    assert_eq!(server.terminate().await, Some(0), "SIGTERM ends in order");
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "verify also works when nothing runs: {text}");
}

/// A flight is opened, changed and cancelled with what the README says, and can be found by what it searches with.
#[tokio::test]
async fn the_flight_of_the_readme_flies() {
    let place = Place::new();
    let server = place.up().await;
    let (tour, flight) = (readme_shell("A tour of five minutes", 2), readme_shell("A flight", 2));
    let (open, end) = flight.split_once("curl -X PATCH").unwrap();
    let answers = place.paste(&(tour.clone() + open)).await;
    assert!(answers.last().unwrap()["data"].is_array(), "{answers:?}");
    let search = open.rsplit_once("$api").unwrap().1.split('"').next().unwrap();
    eventually(PATIENCE, "it can be found", async || {
        let found: Value = place.http.get(place.url(search)).send().await.unwrap().json().await.unwrap();
        found["data"][0]["number"] == "HF1207"
    })
    .await;
    let answers = place.paste(&(tour + open + "curl -X PATCH" + end)).await;
    let [.., changed, cancelled] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((&changed["price"]["amount"], &changed["gate"]), (&json!(19_900), &json!("B12")), "{changed}");
    assert_eq!(cancelled["availability"]["sales"], "cancelled", "{cancelled}");
    assert_eq!(server.terminate().await, Some(0));
}

/// The show of the tour is moved and cancelled with what the README says.
#[tokio::test]
async fn the_show_of_the_readme_moves() {
    let place = Place::new();
    let server = place.up().await;
    let shell = readme_shell("A tour of five minutes", 2) + &readme_shell("A show that moves", 1);
    let answers = place.paste(&shell).await;
    let [.., moved, bookings, cancelled] = &answers[..] else { panic!("{answers:?}") };
    let times = [&moved["starts_at"], &moved["sales_end_at"]];
    assert_eq!(times, [&json!("2027-05-02T18:00:00Z"); 2], "{moved}");
    assert!(bookings["data"].is_array(), "{bookings}");
    assert_eq!(cancelled["availability"]["confirmed"], 0, "{cancelled}");
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}

/// Somebody may sign up with the address of an admin that was deleted; the server must start all the same.
#[tokio::test]
async fn a_deleted_account_is_gone_and_its_address_is_free_even_the_admins() {
    let place = Place::new();
    let server = place.up().await;
    let (code, text) = place.run(&["user", "delete", ADMIN]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = place.run(&["user", "delete", ADMIN]).await;
    assert_eq!(code, Some(1), "it is gone: {text}");
    let customer = place.customer(ADMIN).await;
    place.ask(Method::GET, "/v1/bookings", &customer, Value::Null, StatusCode::OK).await;
    assert_eq!(server.terminate().await, Some(0));

    let server = place.up().await;
    place.sign_in(ADMIN, "correct horse battery").await;
    assert_eq!(server.terminate().await, Some(0));
}

/// 201 means readable, confirmable and cancellable, read models or not.
#[tokio::test]
async fn an_answered_booking_can_be_used_at_once_with_every_projector_stopped() {
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 10, 900).await;
    for (command, status) in [("confirm", "confirmed"), ("cancel", "cancelled")] {
        let asked = json!({"inventory_id": show, "quantity": 1});
        let booking = place.ask(Method::POST, "/v1/bookings", &admin, asked, StatusCode::CREATED).await;
        let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
        let read = place.ask(Method::GET, &path, &admin, Value::Null, StatusCode::OK).await;
        assert_eq!(read, booking);
        for _ in 0..2 {
            let path = format!("{path}/{command}");
            let done = place.ask(Method::POST, &path, &admin, Value::Null, StatusCode::OK).await;
            assert_eq!(done["status"], status, "and asking again answers the same");
        }
    }
    place.ask(Method::GET, &format!("/v1/shows/{show}"), &admin, Value::Null, StatusCode::OK).await;
    assert_eq!(server.terminate().await, Some(0));
}

/// Somebody changes a row behind our back: the log knows better.
#[tokio::test]
async fn a_tampered_read_model_is_found_and_repaired() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 10, 0).await;
    let asked = json!({"inventory_id": show, "quantity": 3});
    place.ask(Method::POST, "/v1/bookings", &admin, asked, StatusCode::CREATED).await;
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut connection = cluster.connect_options("holdfast").connect().await.unwrap();
    eventually(PATIENCE, "the row is there, and changed", async || {
        let tampered = sqlx::query("UPDATE availability.inventories SET confirmed = 2 WHERE confirmed = 3");
        tampered.execute(&mut connection).await.is_ok_and(|done| done.rows_affected() == 1)
    })
    .await;
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("WRONG: availability"), "{text}");
    let (code, text) = place.run(&["rebuild", "availability"]).await;
    assert_eq!(code, Some(1), "a difference is not switched unasked: {text}");
    let (code, text) = place.run(&["rebuild", "availability", "--accept-difference"]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}

/// The log itself is changed: `verify` says where.
#[tokio::test]
async fn a_tampered_log_is_found() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 10, 0).await;
    for _ in 0..3 {
        let asked = json!({"inventory_id": show, "quantity": 1});
        place.ask(Method::POST, "/v1/bookings", &admin, asked, StatusCode::CREATED).await;
    }
    let seats = format!("/v1/inventories/{show}/availability");
    eventually(PATIENCE, "the read model is beyond the place", async || {
        let seats = place.ask(Method::GET, &seats, &admin, Value::Null, StatusCode::OK).await;
        seats["confirmed"] == 3
    })
    .await;
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut connection = cluster.connect_options("holdfast").connect().await.unwrap();
    sqlx::query("DELETE FROM events WHERE position = 3").execute(&mut connection).await.unwrap();
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("a hole") && text.contains("availability could not be compared"), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}

/// A command's answer is its last event: one that led to an earlier event would be answered with an older state.
#[tokio::test]
async fn a_command_that_leads_to_its_first_event_instead_of_its_last_is_found() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 10, 0).await;
    for _ in 0..2 {
        let asked = json!({"inventory_id": show, "quantity": 1});
        place.ask(Method::POST, "/v1/bookings", &admin, asked, StatusCode::CREATED).await;
    }
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut connection = cluster.connect_options("holdfast").connect().await.unwrap();
    // As if the second booking had expired a hold on its way: events 2 and 3 are of one command.
    for (tampered, code, finding) in [
        (
            "WITH gone AS (DELETE FROM commands WHERE position = 2 RETURNING command_id)
             UPDATE events SET command_id = (SELECT command_id FROM commands WHERE position = 3)
             FROM gone WHERE events.command_id = gone.command_id",
            0,
            "all agree",
        ),
        (
            "UPDATE commands SET position = 2 WHERE position = 3",
            1,
            "1 commands lead to an event that is not their last",
        ),
    ] {
        let changed = sqlx::query(tampered).execute(&mut connection).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
        let (ended, text) = place.run(&["verify"]).await;
        assert_eq!(ended, Some(code), "{text}");
        assert!(text.contains(finding), "{text}");
    }
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn a_second_server_on_the_folder_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let server = place.up().await;
    let (code, text) = place.run(&["up", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&server.pid().as_raw_nonzero().to_string()), "it names the holder: {text}");
    assert_eq!(place.http.get(place.url("/health/ready")).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.terminate().await, Some(0));
}

/// Wrong values are named with what is allowed, before anything is touched.
#[tokio::test]
async fn wrong_configuration_is_refused_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let cases: [(&[&str], &str); 15] = [
        (&["up", "--listen", "nowhere"], "--listen"),
        (&["up", "--flushers", "0"], "1..=64"),
        (&["project", "sales"], "availability, booking-history"),
        (&["migrate", "--database-url", "mysql://x", "--partitions", "5000"], "1..=1024"),
        (
            &["api", "--database-url", "postgres://localhost/x", "--compat", "--listen", "0.0.0.0:0"],
            "--compat-anywhere",
        ),
        (&["up", "--data", data, "--compat", "true", "--listen", "0.0.0.0:0"], "--compat-anywhere"),
        (&["up", "--data", data, "--compat", "true", "--trust-forwarded-for", "true"], "behind a proxy"),
        (&["up", "--data", data, "--compat-host", "tickets.example"], "--compat-anywhere"),
        (&["api", "--database-url", "postgres://localhost/x"], "HOLDFAST_TOKEN_SECRET"),
        (&["verify", "--database-url", "postgres://localhost/x", "--data", "/x"], "cannot be used with"),
        (&["verify", "--data", "/nonexistent"], "holdfast up --data /nonexistent"),
        (
            &["up", "--data", data, "--listen", "127.0.0.1:0", "--smtp-url", "smtp://x?tsl=required"],
            "smtps://HOST:PORT",
        ),
        (
            &[
                "up",
                "--data",
                data,
                "--listen",
                "127.0.0.1:0",
                "--smtp-url",
                "smtps://x",
                "--smtp-ca-file",
                "/dev/null",
            ],
            "--smtp-ca-file /dev/null",
        ),
        (
            &["notify", "--source", "log", "--data", data, "--smtp-url", "smtp://x#tls=required"],
            "smtps://HOST:PORT",
        ),
        (&["up", "--data", data, "--mail-from", "nobody"], "tickets@example.com"),
    ];
    for (arguments, expected) in cases {
        let output = Command::new(program()).args(arguments).kill_on_drop(true).output();
        let output = timeout(PATIENCE, output).await.expect("it is refused, and does not start").unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!Path::new(data).join("postgres").exists(), "it is told before a Postgres is made");
}
