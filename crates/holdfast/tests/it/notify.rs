//! Webhooks and mails, as the executable sends them.

use crate::server::{Place, rand_key};
use axum::{Router, body::Bytes, http::HeaderMap, routing::any};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_cluster::Cluster;
use holdfast_testkit::{SmtpServer, eventually, open_folder};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::{net::TcpListener, process::Child, time::Instant};

/// JVM, group and notifier all start here; a busy machine is given time.
const PATIENCE: Duration = Duration::from_secs(90);

/// Takes every webhook, and keeps how often each came and with which body.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<BTreeMap<String, Vec<Bytes>>>>);

impl Receiver {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let this = Self::default();
        let kept = this.0.clone();
        let take = any(move |headers: HeaderMap, body: Bytes| async move {
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            kept.lock().unwrap().entry(id).or_default().push(body);
        });
        tokio::spawn(axum::serve(listener, Router::new().fallback(take)).into_future());
        (this, url)
    }

    fn got(&self) -> BTreeMap<String, Vec<Bytes>> {
        self.0.lock().unwrap().clone()
    }

    async fn has(&self, count: usize) {
        eventually(PATIENCE, "every webhook arrives", async || self.got().len() == count).await;
    }
}

impl Place {
    async fn register(&self, admin: &str, url: &str) -> Value {
        let body = json!({"url": url, "event_types": ["booking.confirmed.v1", "booking.cancelled.v1"]});
        let request = self.http.post(self.url("/v1/webhook-endpoints")).bearer_auth(admin);
        let answer = request.header("Idempotency-Key", rand_key()).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.unwrap()
    }

    fn notifier(&self, flags: &[&str], brokers: &str) -> Child {
        let flags = [&["notify", "--webhooks-allow-private"], flags].concat();
        let mut command = self.command(&flags);
        command.env("KAFKA_BROKERS", brokers).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
    }
}

/// Needs nothing configured but leave to send to ourselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_sends_webhooks_and_mails() {
    let place = Place::new();
    let mails = place.folder().join("mails");
    let server = place.up_with(&["--webhooks-allow-private", "--mail-folder", mails.to_str().unwrap()]).await;
    let key = std::fs::metadata(place.data().join("webhook-key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let (receiver, url) = Receiver::start().await;
    let admin = place.admin().await;
    place.register(&admin, &url).await;
    let show = place.open_show(&admin, 10, 0).await;
    let booking = place.sell_one(&admin, &show).await;
    receiver.has(1).await;
    let (id, bodies) = receiver.got().pop_first().unwrap();
    let body: Value = serde_json::from_slice(&bodies[0]).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["object"]["id"]),
        (&json!("booking.confirmed.v1"), &json!(booking))
    );
    let mail = || {
        let mut files = std::fs::read_dir(&mails).into_iter().flatten().map(|file| file.unwrap().path());
        files.find(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            name.starts_with(&id) && name.ends_with(".eml")
        })
    };
    eventually(PATIENCE, "the mail is there", async || mail().is_some()).await;
    assert!(std::fs::read_to_string(mail().unwrap()).unwrap().contains("To: admin@holdfast.local"));
    assert_eq!(server.terminate().await, Some(0));
}

/// From a booking's answer to the mailbox; and what waits there is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_is_in_a_real_mailbox_and_a_reminder_when_it_is_due() {
    const SOLD: usize = 20;
    let (place, mut smtp) = (Place::new(), SmtpServer::start("accept").await);
    let flags = ["--smtp-url", &smtp.url(), "--mail-from", "Holdfast <bookings@holdfast.example>"];
    let server = place.up_with(&flags).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 100, 0).await;
    let mut after = Vec::new();
    for nth in 1..=SOLD {
        let booking = place.sell_one(&admin, &show).await;
        let answered = Instant::now();
        eventually(PATIENCE, "the confirmation is there", async || smtp.mails().len() == nth).await;
        after.push(answered.elapsed());
        let mails = smtp.mails();
        let mail = mails.iter().find(|mail| mail.contains(&booking)).expect("it names the booking");
        for part in ["To: admin@holdfast.local", "From: Holdfast <bookings@holdfast.example>"] {
            assert!(mail.contains(part), "{part}: {mail}");
        }
    }
    after.sort();
    let [least, median, most] = [0, SOLD / 2, SOLD - 1].map(|nth| after[nth]);
    println!(
        "confirmations in the mailbox after the booking's answer: {least:?} / {median:?} / {most:?} of {SOLD}"
    );

    smtp.stop().await;
    let body = json!({"subject": "Check in", "content": "It is open.", "remind_at": "2020-01-01T00:00:00Z"});
    let request = place.http.post(place.url("/v1/reminders")).bearer_auth(&admin);
    let answer = request.header("Idempotency-Key", rand_key()).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let list = async || place.ask(Method::GET, "/v1/reminders", &admin, Value::Null, StatusCode::OK).await;
    eventually(PATIENCE, "why it waits is told", async || list().await["data"][0]["failure"] == "connection")
        .await;
    smtp.behave("accept").await;
    eventually(PATIENCE, "it is sent", async || list().await["data"][0]["status"] == "sent").await;
    assert_eq!(smtp.message_ids().into_values().collect::<Vec<_>>(), vec![1; SOLD + 1]);
    assert_eq!(server.terminate().await, Some(0));
}

/// The server has taken each mail and not said so when the notifier is killed: all of them come, and what comes again has the
/// Message-ID that lets a mailbox drop it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_that_is_killed_between_sending_and_recording_loses_no_mail() {
    const SOLD: usize = 10;
    let (place, mut smtp) = (Place::new(), SmtpServer::start("hold").await);
    let server = place.up_with(&["--no-projectors"]).await;
    let url = smtp.url();
    let notifier = || place.notifier(&["--source", "log", "--smtp-url", &url], "");
    let mut killed = notifier();
    let connect = Cluster::running(&place.data()).await.unwrap().unwrap().connect_options("holdfast");
    let pool = PgPool::connect_with(connect).await.unwrap();
    let count = async |of: &str| -> i64 {
        sqlx::query_scalar(&format!("SELECT count(*) FROM {of}")).fetch_one(&pool).await.unwrap_or(-1)
    };
    eventually(PATIENCE, "the notifier owes mails from here on", async || count("mail_channel").await > 0)
        .await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 100, 0).await;
    for _ in 0..SOLD {
        place.sell_one(&admin, &show).await;
    }
    eventually(PATIENCE, "the server has some", async || {
        smtp.mails().len() as i64 == count("mails WHERE claim_id IS NOT NULL").await
            && !smtp.mails().is_empty()
    })
    .await;
    killed.kill().await.unwrap();
    smtp.stop().await;
    let taken = smtp.message_ids();
    smtp.behave("accept").await;
    // What the killed one had claimed is free again within 3 minutes; the test does not wait for them.
    sqlx::query("UPDATE mails SET next_attempt_at = now() WHERE claim_id IS NOT NULL")
        .execute(&pool)
        .await
        .unwrap();
    let _next = notifier();
    eventually(PATIENCE, "all are delivered", async || {
        count("mails WHERE state = 'delivered'").await == SOLD as i64
    })
    .await;
    let came = smtp.message_ids();
    assert_eq!(came.len(), SOLD);
    for (id, times) in came {
        assert_eq!(times, if taken.contains_key(&id) { 2 } else { 1 }, "{id}");
    }
    assert_eq!(server.terminate().await, Some(0));
}

/// Nothing is configured, and no mail is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_up_puts_mails_into_its_data_folder() {
    let place = Place::new();
    let server = place.up_with(&[]).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 10, 0).await;
    place.sell_one(&admin, &show).await;
    let folder = place.data().join("mail");
    let mails = || {
        std::fs::read_dir(&folder).map_or(0, |files| {
            files
                .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "eml"))
                .count()
        })
    };
    eventually(PATIENCE, "the mail is there", async || mails() == 1).await;
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn a_password_for_smtp_is_neither_in_a_url_nor_in_the_clear() {
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    for (url, says) in [
        ("smtp://ada:secret@mail.example.com", "user and password do not belong into the URL"),
        ("mail.example.com:25", "give smtps://HOST:PORT"),
    ] {
        let (code, text) = place.run(&["notify", "--source", "log", "--smtp-url", url]).await;
        assert!(code != Some(0) && text.contains(says) && !text.contains("secret"), "{url}: {text}");
    }
    assert_eq!(server.terminate().await, Some(0));
}

/// Bookings by one process, the topic by another, webhooks by a third, which is killed again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_that_is_killed_loses_no_webhook_and_repeats_only_what_it_was() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let brokers = broker.bootstrap();
    let place = Place::new();
    let server = place.up_with(&["--no-projectors", "--webhooks-allow-private"]).await;
    let (receiver, url) = Receiver::start().await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 1_000, 0).await;
    place.register(&admin, &url).await;
    let mut relay = place.command(&["relay"]);
    let relay =
        relay.env("KAFKA_BROKERS", &brokers).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut sold = 0;
    // The source can change at any time: positions are the same.
    for source in ["kafka", "log", "log"] {
        let mut notifier = place.notifier(&["--source", source], &brokers);
        for _ in 0..20 {
            place.sell_one(&admin, &show).await;
            sold += 1;
        }
        eventually(PATIENCE, "it is at work", async || receiver.got().len() > sold - 20).await;
        notifier.kill().await.unwrap();
    }
    // What the killed ones had claimed is free again after a minute.
    let _last = place.notifier(&["--source", "log"], &brokers);
    receiver.has(sold).await;
    for (id, bodies) in receiver.got() {
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{id} came with different bodies");
    }
    drop(relay);
    assert_eq!(server.terminate().await, Some(0));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_place_that_is_not_in_the_log_is_refused_with_what_is() {
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    for (from, says) in [
        ("soon", "give `all`, or the first event of each partition"),
        ("99-1", "this log has the partitions 0 to 15"),
        ("3-7", "that partition can be begun at 1 to 1"),
    ] {
        let (code, text) = place.run(&["notify", "--source", "log", "--from-position", from]).await;
        assert!(code != Some(0) && text.contains(says), "{from}: {text}");
    }
    assert_eq!(server.terminate().await, Some(0));
}
