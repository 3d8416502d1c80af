//! A broker with TLS and passwords, reached with the settings file that kafka/README.md shows.

use crate::server::{Place, write_secret};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions, Security};
use holdfast_testkit::{Certificates, certificates, eventually, open_folder};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// JVM, group and projector all start here; a busy machine is given time.
const PATIENCE: Duration = Duration::from_secs(90);
const README: &str = include_str!("../../../../kafka/README.md");
const PASSWORD: &str = "correct-horse_battery.7";
const WRONG: &str = "wrong-horse_battery.8";

/// A node that speaks TLS and wants a password.
fn secured(folder: &Path) -> Security {
    let Certificates { authority, key_and_certificate } = certificates(folder);
    let password = PASSWORD.to_owned();
    Security { key_and_certificates: key_and_certificate, authority, user: "holdfast".to_owned(), password }
}

/// The settings file of the README, with another authority's file and password in it.
fn settings(file: PathBuf, authority: &Path, password: &str) -> String {
    let shown =
        README.split("```properties\n").nth(1).expect("the settings file").split("```").next().unwrap();
    let text = shown.replace("/etc/holdfast/kafka-ca.pem", authority.to_str().unwrap());
    let text = text.replace("sasl.password=change-me", &format!("sasl.password={password}"));
    assert!(text.contains(password) && !text.contains("/etc/"), "both lines are there: {shown}");
    write_secret(&file, &text);
    file.to_str().unwrap().to_owned()
}

/// A role whose log is kept in a file.
fn logged(command: &mut Command, log: &Path) -> Child {
    let log = std::fs::File::create(log).unwrap();
    command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_a_password_work_and_what_is_wrong_with_them_is_said() {
    let folder = open_folder();
    let security = secured(folder.path());
    let options = BrokerOptions { security: Some(security.clone()), ..BrokerOptions::default() };
    let broker = Broker::start(&folder.path().join("kafka"), &options, &Machine).await.unwrap();
    let brokers = broker.bootstrap();
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 100, 0).await;
    let asked = json!({"inventory_id": show, "quantity": 2});
    place.ask(Method::POST, "/v1/bookings", &admin, asked, StatusCode::CREATED).await;
    let role = |role: &[&str], settings: &str| {
        let mut command = place.command(role);
        command.args(["--kafka-brokers", &brokers, "--kafka-settings-file", settings]);
        command
    };

    // Wrong ones first: the topic is not there, and must not be made by them.
    let stranger = certificates(&folder.path().join("stranger")).authority;
    let file = |name: &str| folder.path().join(name);
    let wrong_password = settings(file("wrong-password"), &security.authority, WRONG);
    let wrong_authority = settings(file("wrong-authority"), &stranger, PASSWORD);
    let faults = [(wrong_password, "Authentication failed"), (wrong_authority, "certificate verify failed")];
    let mut wrong = Vec::new();
    for (settings, names) in &faults {
        let log = PathBuf::from(format!("{settings}.log"));
        let relay = logged(&mut role(&["relay"], settings), &log);
        wrong.push((relay, log, names));
    }
    for (relay, log, names) in &mut wrong {
        let said = || std::fs::read_to_string(&log).unwrap();
        eventually(PATIENCE, "the relay says what is wrong", async || {
            said()
                .lines()
                .any(|line| line.contains("do not agree on TLS or who may sign in") && line.contains(**names))
        })
        .await;
        assert!(!said().contains(WRONG) && !said().contains(PASSWORD), "{}", said());
        assert!(relay.try_wait().unwrap().is_none(), "it goes on trying");
    }
    drop(wrong);

    let right = settings(file("right"), &security.authority, PASSWORD);
    let relay = logged(&mut role(&["relay"], &right), &file("relay.log"));
    let project =
        |model, log| logged(&mut role(&["project", model, "--source", "kafka"], &right), &file(log));
    let projectors =
        (project("availability", "availability.log"), project("booking-history", "booking-history.log"));
    eventually(PATIENCE, "the topic is the log", async || {
        let output = role(&["verify", "--topic"], &right).output().await.unwrap();
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("topic: 2 records")
    })
    .await;
    eventually(PATIENCE, "availability follows from the topic", async || {
        let path = place.url(&format!("/v1/inventories/{show}/availability"));
        let seats = place.http.get(path).send().await.unwrap().json::<serde_json::Value>().await.unwrap();
        seats["confirmed"] == 2
    })
    .await;
    for log in ["relay.log", "availability.log", "booking-history.log"] {
        let said = std::fs::read_to_string(file(log)).unwrap();
        assert!(!said.contains(PASSWORD), "{said}");
    }
    drop((relay, projectors));
    assert_eq!(server.terminate().await, Some(0));
    broker.stop().await.unwrap();

    // The folder keeps its user: another one could not sign in, and nobody could make one.
    let other = Security { password: WRONG.to_owned(), ..security };
    for security in [None, Some(other)] {
        let options = BrokerOptions { security, ..BrokerOptions::default() };
        let refused = Broker::start(&folder.path().join("kafka"), &options, &Machine).await.unwrap_err();
        assert!(refused.to_string().contains("another user"), "{refused}");
    }
}
