//! Whoever leaves, however: no Postgres stays behind, and nobody else's is taken away.

use crate::server::{Place, program};
use holdfast_cluster::Cluster;
use holdfast_testkit::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(30);

impl Place {
    /// A system that was used and is stopped.
    async fn stopped() -> Self {
        let place = Self::new();
        let server = place.up().await;
        let token = place.admin().await;
        place.open_show(&token, 10, 0).await;
        eventually(PATIENCE, "the read models are there", async || {
            let ready = server.readiness().await;
            let projectors = ready["projectors"].as_array().unwrap();
            projectors.iter().all(|projector| projector["state"] == "running" && projector["lag_events"] == 0)
        })
        .await;
        assert_eq!(server.terminate().await, Some(0));
        place
    }

    async fn runs_postgres(&self) -> bool {
        Cluster::running(&self.data()).await.unwrap().is_some()
    }
}

/// A pipe that nobody reads.
fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// `println!` panics on a pipe that is closed, and what it leaves behind is a Postgres that nobody stops.
#[tokio::test]
async fn a_reader_that_goes_away_changes_nothing() {
    let place = Place::stopped().await;
    for command in
        [&["verify"][..], &["rebuild", "availability"], &["user", "grant", "admin@holdfast.local", "admin"]]
    {
        let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        for (out, err) in [(broken_pipe(), broken_pipe()), (full(), full())] {
            let status = place.command(command).stdout(out).stderr(err).status().await.unwrap();
            assert_eq!(status.code(), Some(0), "{command:?}");
            assert!(!place.runs_postgres().await, "{command:?} left its Postgres running");
        }
    }
}

/// Ctrl-C ends `tee` first: the log has no reader any more when the server is asked to stop.
#[tokio::test]
async fn a_server_whose_log_nobody_reads_still_stops() {
    let place = Place::stopped().await;
    let up = place.command(&["up", "--listen", &place.address, "--log", "info"]);
    // Whoever runs the tests may have told them to ignore a closed terminal, and the server would have that from us.
    let mut listening = Command::new("env");
    listening.arg("--default-signal=HUP").arg(up.as_std().get_program()).args(up.as_std().get_args());
    let mut child = listening.stdout(Stdio::null()).stderr(broken_pipe()).kill_on_drop(true).spawn().unwrap();
    eventually(PATIENCE, "it serves", async || {
        place.http.get(place.url("/health/ready")).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    // The terminal is closed.
    kill_process(pid, Signal::HUP).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!place.runs_postgres().await);
}

/// A person verifies beside a clock that does: both are right, and the first to end does not stop the Postgres of
/// the others.
#[tokio::test]
async fn several_verifications_at_once_all_agree_and_the_last_stops_postgres() {
    let place = Place::stopped().await;
    let all = futures::future::join_all((0..3).map(|_| place.run(&["verify"]))).await;
    for (code, text) in all {
        assert!(code == Some(0) && text.contains("all agree"), "{text}");
    }
    assert!(!place.runs_postgres().await);
}

#[tokio::test]
async fn a_command_that_is_asked_to_stop_takes_its_postgres_along() {
    let place = Place::stopped().await;
    let mut tail = place.command(&["log", "tail", "--follow"]);
    let mut child = tail.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    eventually(PATIENCE, "its Postgres runs", async || place.runs_postgres().await).await;
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!place.runs_postgres().await);
}

/// The ready line promises a password only where it opens the door.
#[tokio::test]
async fn the_ready_line_says_of_the_admin_only_what_is_true() {
    let place = Place::new();
    let server = place.up().await;
    assert!(server.ready_line.contains("admin-password"), "{}", server.ready_line);
    assert_eq!(server.terminate().await, Some(0));
    let server = place.up().await;
    assert!(server.ready_line.contains("whose first password is in"), "{}", server.ready_line);
    let ready = async || server.readiness().await["first_admin_password_unchanged"].clone();
    let status = async || {
        let output = place.command(&["status"]).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().contains("the first admin's password has not been changed")
    };
    assert_eq!((ready().await, status().await), (true.into(), true));
    let first = std::fs::read_to_string(place.data().join("admin-password")).unwrap();
    let admin = place.admin().await;
    let change =
        serde_json::json!({"current_password": first.trim(), "new_password": "a password of my own"});
    let changed =
        place.http.put(place.url("/v1/users/me/password")).bearer_auth(&admin).json(&change).send().await;
    assert_eq!(changed.unwrap().status(), 204);
    assert!(!place.data().join("admin-password").exists(), "the file goes with its password");
    assert_eq!((ready().await, status().await), (false.into(), false));
    assert_eq!(server.terminate().await, Some(0));
    // A password that opens nothing, such as one from a backup, does not stay.
    std::fs::write(place.data().join("admin-password"), first).unwrap();
    let server = place.up().await;
    let line = &server.ready_line;
    assert!(line.contains("admin@holdfast.local") && !line.contains("password"), "{line}");
    assert!(!place.data().join("admin-password").exists(), "a password that opens nothing");
    let history = place.http.get(place.url("/api/v1/history")).send().await.unwrap();
    assert_eq!(history.status(), 404, "booking_monitor's routes are off unless asked for");
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn wrong_words_and_wrong_places_are_named_with_what_is_right() {
    let wrong: &[(&[&str], &str)] = &[
        (
            &["verify", "--database-url", "postgres://u:secret@127.0.0.1:1/x"],
            "Postgres at 127.0.0.1:1 could not be reached",
        ),
        (&["up", "--listen", "localhost:8080"], "such as 127.0.0.1:8080"),
        (&["verify", "--log", "bogus"], "error, warn, info"),
        (&["up", "--compat", "maybe"], "true, false"),
        (&["log", "tail", "--lines", "100001"], "0..=100000"),
    ];
    for (command, right) in wrong {
        let output = Command::new(program()).args(*command).output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(right), "{command:?}: {text}");
        assert!(!text.contains("secret") && text.matches("os error 111").count() <= 1, "{text}");
    }
}
