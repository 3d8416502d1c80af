//! Mails, as files.

use crate::rig::{ADA, Rig};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use holdfast_domain::UserId;
use holdfast_notifier::{AddressBook, MailError, MailFolder, Mails};
use std::{fs, path::Path, sync::Arc};

#[derive(Debug)]
struct Everybody(&'static str);

impl AddressBook for Everybody {
    fn address_of(&self, user: UserId) -> BoxFuture<'_, Result<Option<String>, MailError>> {
        Box::pin(async move { Ok((user == ADA).then(|| self.0.to_owned())) })
    }
}

fn mails(rig: &Rig, folder: &Path, address: &'static str) -> Mails {
    let folder = MailFolder::open(folder.to_owned()).unwrap();
    Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), Arc::new(folder), Arc::new(Everybody(address)))
}

async fn write_all(rig: &Rig, mails: &Mails) {
    rig.queue().await;
    while mails.run_once().await.unwrap() > 0 {}
}

fn written(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn whoever_booked_is_written_to_once_and_the_address_is_nowhere_else() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    rig.sell(1).await;
    let mails = mails(&rig, folder.path(), "ada@example.org");
    mails.open().await.unwrap();
    let show = rig.open(900).await;
    let booking = rig.reserve(show, 2).await;
    write_all(&rig, &mails).await;
    assert!(written(folder.path()).is_empty(), "neither history nor a hold is written about");
    rig.confirm(show, booking).await;
    rig.cancel(show, booking).await;
    write_all(&rig, &mails).await;
    let names = written(folder.path());
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT event_id || '.eml' FROM events WHERE event_type LIKE 'Booking%' ORDER BY 1",
    )
    .fetch_all(&rig.pool)
    .await
    .unwrap();
    assert_eq!(names, ids);
    let texts: Vec<_> =
        names.iter().map(|name| fs::read_to_string(folder.path().join(name)).unwrap()).collect();
    assert!(texts.iter().all(|text| text.contains("To: ada@example.org\r\n")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("Subject: Your booking is cancelled\r\n")));
    assert!(texts.iter().all(|text| text.contains(&booking.to_string())));
    let rows: String = sqlx::query_scalar("SELECT string_agg(m::text, ' ') FROM mails m")
        .fetch_one(&rig.pool)
        .await
        .unwrap();
    assert!(!rows.contains("ada"), "{rows}");
    write_all(&rig, &mails).await;
    assert_eq!(written(folder.path()), names);
}

#[tokio::test]
async fn an_address_cannot_add_headers_or_receivers() {
    for address in
        ["ada@example.org\r\nBcc: eve@example.org", "ada@example.org, eve@example.org", "no address", "@"]
    {
        let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
        let mails = mails(&rig, folder.path(), address);
        mails.open().await.unwrap();
        rig.sell(1).await;
        write_all(&rig, &mails).await;
        assert!(written(folder.path()).is_empty(), "{address}");
        let state: String = sqlx::query_scalar("SELECT state FROM mails").fetch_one(&rig.pool).await.unwrap();
        assert_eq!(state, "dead");
    }
}

#[tokio::test]
async fn a_mail_that_cannot_be_handed_over_is_tried_again() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let mails = mails(&rig, &folder.path().join("mail"), "ada@example.org");
    mails.open().await.unwrap();
    rig.sell(1).await;
    fs::remove_dir(folder.path().join("mail")).unwrap();
    write_all(&rig, &mails).await;
    fs::create_dir(folder.path().join("mail")).unwrap();
    rig.later(TimeDelta::seconds(6));
    write_all(&rig, &mails).await;
    assert_eq!(written(&folder.path().join("mail")).len(), 1);
}

#[tokio::test]
async fn where_nobody_writes_mails_none_are_owed() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let mails = mails(&rig, folder.path(), "ada@example.org");
    mails.open().await.unwrap();
    rig.later(TimeDelta::days(4));
    rig.sell(3).await;
    rig.queue().await;
    mails.open().await.unwrap();
    rig.sell(1).await;
    write_all(&rig, &mails).await;
    assert_eq!(written(folder.path()).len(), 1);
}
