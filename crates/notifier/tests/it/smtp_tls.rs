//! Mails to a server that speaks TLS and wants to know who we are.

use crate::{mailing::post, rig::Rig};
use chrono::TimeDelta;
use holdfast_notifier::{Mails, Smtp};
use holdfast_testkit::{SMTP_PASSWORD, SMTP_USER, SmtpServer, certificates};
use std::{fs, path::Path, sync::Arc};

const ADDRESS: &str = "ada@example.org";

fn starttls(server: &SmtpServer) -> String {
    server.url() + "?tls=required"
}

fn tls(server: &SmtpServer) -> String {
    server.url().replace("smtp://", "smtps://")
}

fn mails_by(rig: &Rig, url: &str, password: Option<&str>, authority: Option<&Path>) -> Mails {
    let credentials = password.map(|password| (SMTP_USER.to_owned(), password.to_owned()));
    let authority = authority.map(|file| fs::read(file).unwrap());
    let smtp = Smtp::new(url, credentials, authority.as_deref()).unwrap();
    Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), post(rig, Arc::new(smtp), ADDRESS))
}

/// Tries what is due once, and tells what became of the one mail there is.
async fn tried(rig: &Rig, mails: &Mails) -> String {
    rig.later(TimeDelta::days(1));
    rig.queue().await;
    while mails.run_once().await.unwrap() > 0 {}
    let sql = "SELECT state || coalesce(' ' || failure, '') FROM mails";
    sqlx::query_scalar(sql).fetch_one(&rig.pool).await.unwrap()
}

#[tokio::test]
async fn a_server_is_spoken_to_over_tls_from_the_start_or_by_starttls_and_signed_in_to() {
    for (mode, url) in [("starttls", starttls as fn(&SmtpServer) -> String), ("tls", tls)] {
        let (rig, server) = (Rig::new().await, SmtpServer::start(mode).await);
        let mails = mails_by(&rig, &url(&server), Some(SMTP_PASSWORD), Some(server.authority()));
        mails.open().await.unwrap();
        rig.sell(1).await;
        assert_eq!(tried(&rig, &mails).await, "delivered", "{mode}");
        assert_eq!(server.message_ids().into_values().collect::<Vec<_>>(), [1], "{mode}");
        assert!(server.commands().iter().any(|told| told == "MAIL"), "{mode}: {:?}", server.commands());
    }
}

/// None of it is the mail's fault: it waits, and goes out when it is mended.
#[tokio::test]
async fn who_is_not_known_or_not_trusted_is_told_nothing_and_the_mail_waits() {
    let (rig, mut server) = (Rig::new().await, SmtpServer::start("starttls").await);
    let right = mails_by(&rig, &starttls(&server), Some(SMTP_PASSWORD), Some(server.authority()));
    right.open().await.unwrap();
    rig.sell(1).await;
    let folder = tempfile::tempdir().unwrap();
    let stranger = certificates(folder.path()).authority;
    for (mode, url, password, authority, became) in [
        ("starttls", starttls(&server), Some("wrong"), Some(server.authority()), "pending smtp_535 5.7.8"),
        ("starttls", starttls(&server), None, Some(server.authority()), "pending smtp_530 5.7.0"),
        ("starttls", starttls(&server), Some(SMTP_PASSWORD), Some(&*stranger), "pending tls"),
        ("starttls", starttls(&server), Some(SMTP_PASSWORD), None, "pending tls"),
        ("tls", tls(&server), Some("wrong"), Some(server.authority()), "pending smtp_535 5.7.8"),
        ("tls", tls(&server), Some(SMTP_PASSWORD), Some(&*stranger), "pending tls"),
        // Without TLS nothing is said, though it would take everything.
        ("accept", starttls(&server), Some(SMTP_PASSWORD), Some(server.authority()), "pending unsupported"),
        ("accept", tls(&server), Some(SMTP_PASSWORD), Some(server.authority()), "pending tls"),
    ]
    .map(|(mode, url, password, authority, became)| {
        (mode, url, password, authority.map(Path::to_owned), became)
    }) {
        server.behave(mode).await;
        let mails = mails_by(&rig, &url, password, authority.as_deref());
        assert_eq!(tried(&rig, &mails).await, became, "{mode} {url} {password:?} {authority:?}");
        assert!(server.mails().is_empty(), "{mode} {url}");
        let told = server.commands();
        if !became.contains("smtp_") {
            assert!(
                !told.iter().any(|told| ["AUTH", "MAIL"].contains(&told.as_str())),
                "{mode} {url}: {told:?}"
            );
        }
    }
    server.behave("starttls").await;
    assert_eq!(tried(&rig, &right).await, "delivered");
    assert_eq!(server.mails().len(), 1);
}
