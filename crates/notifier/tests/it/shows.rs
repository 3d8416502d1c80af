//! Shows that move or are cancelled: the mails, and the webhooks.

use crate::{mailing::post, receiver::Receiver, rig::Rig};
use holdfast_domain::{CancelShow, ChangeShow, InventoryCommand, Timestamp};
use holdfast_notifier::{EventKind, MailFolder, Mails};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

fn begins(at: &str) -> InventoryCommand {
    let at: Timestamp = at.parse().unwrap();
    InventoryCommand::ChangeShow(ChangeShow {
        starts_at: Some(Some(at)),
        zone: Some(Some("Europe/Berlin".to_owned())),
        ..ChangeShow::default()
    })
}

fn cancel() -> InventoryCommand {
    InventoryCommand::CancelShow(CancelShow { reason: "illness".to_owned() })
}

/// How many mails have each subject.
fn subjects(folder: &Path) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for text in texts(folder) {
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        *subjects.entry(subject.to_owned()).or_default() += 1;
    }
    subjects
}

fn counted(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(subject, count)| ((*subject).to_owned(), *count)).collect()
}

fn texts(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test]
async fn live_bookings_of_a_show_get_a_mail_when_it_moves_and_when_it_is_cancelled() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let to_folder = MailFolder::open(folder.path().to_owned()).unwrap();
    let post = post(&rig, Arc::new(to_folder), "ada@example.org");
    let mails = Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), post);
    mails.open().await.unwrap();
    let write_all = async || {
        rig.queue().await;
        while mails.run_once().await.unwrap() > 0 {}
    };
    let show = rig.open(900).await;
    let (kept, given_back) = (rig.reserve(show, 2).await, rig.reserve(show, 1).await);
    rig.confirm(show, kept).await;
    rig.cancel(show, given_back).await;
    rig.ask(show, begins("2030-06-01T17:30:00Z")).await;
    rig.reserve(show, 1).await;
    write_all().await;
    let before =
        [("Your booking is cancelled", 1), ("Your booking is confirmed", 1), ("Your show has moved", 1)];
    assert_eq!(subjects(folder.path()), counted(&before), "not who had cancelled, and not who came later");
    let moved = texts(folder.path()).into_iter().find(|text| text.contains("Your show has moved")).unwrap();
    assert!(moved.contains("The Tempest has a new time."), "{moved}");
    assert!(moved.contains("Start: 2030-06-01 19:30 +02:00 (Europe/Berlin)"), "{moved}");

    // Another end of the sale alone concerns no booking.
    let sales_end_at = Some(Some("2030-06-01T12:00:00Z".parse().unwrap()));
    let earlier = ChangeShow { sales_end_at, ..ChangeShow::default() };
    rig.ask(show, InventoryCommand::ChangeShow(earlier)).await;
    write_all().await;
    assert_eq!(subjects(folder.path()), counted(&before));

    rig.ask(show, cancel()).await;
    write_all().await;
    let after = [&before[..], &[("Your show is cancelled", 2)]].concat();
    assert_eq!(subjects(folder.path()), counted(&after));
}

#[tokio::test]
async fn a_show_that_moves_and_is_cancelled_is_sent_to_those_who_asked() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, &[EventKind::ShowRescheduled, EventKind::ShowCancelled]).await;
    let show = rig.open(900).await;
    rig.ask(show, begins("2030-06-01T17:30:00Z")).await;
    rig.ask(show, cancel()).await;
    assert_eq!(rig.deliver().await, 2);
    let data = |kind: &str| {
        let got = receiver.got().into_iter().find(|got| got.kind() == kind).unwrap();
        got.json()["data"].clone()
    };
    let times = json!({
        "id": show, "starts_at": "2030-06-01T17:30:00Z", "zone": "Europe/Berlin", "sales_end_at": "2030-06-01T17:30:00Z"
    });
    assert_eq!(data("show.rescheduled.v1"), json!({"object": times, "previous_attributes": {}}));
    let cancelled = json!({"id": show, "sales": "cancelled", "reason": "illness"});
    assert_eq!(data("show.cancelled.v1"), json!({"object": cancelled, "previous_attributes": null}));
}
