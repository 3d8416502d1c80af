//! Mails, as files.

use crate::rig::{ADA, PATIENCE, Rig, config};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_domain::UserId;
use holdfast_notifier::{AddressBook, MailError, MailFolder, Mailer, Mails, Notifier, NotifierParts, Post};
use holdfast_projector::LogSource;
use holdfast_testkit::eventually;
use sqlx::PgPool;
use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Every account and guest has this address.
#[derive(Debug)]
pub(crate) struct Everybody(PgPool, &'static str);

pub(crate) fn post(rig: &Rig, mailer: Arc<dyn Mailer>, address: &'static str) -> Post {
    let from = "Holdfast <bookings@holdfast.example>".parse().unwrap();
    Post { mailer, addresses: Arc::new(Everybody(rig.pool.clone(), address)), from }
}

impl AddressBook for Everybody {
    fn addresses_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, MailError>> {
        Box::pin(async move {
            let users: Vec<_> = users.iter().map(|user| user.0).collect();
            let sql = "SELECT user_id FROM users WHERE user_id = ANY ($1) UNION ALL
                       SELECT guest_id FROM guests WHERE guest_id = ANY ($1) AND email IS NOT NULL";
            let known: Vec<Uuid> = sqlx::query_scalar(sql).bind(users).fetch_all(&self.0).await.unwrap();
            Ok(known.into_iter().map(|user| (UserId(user), self.1.to_owned())).collect())
        })
    }
}

fn mails(rig: &Rig, folder: &Path, address: &'static str) -> Mails {
    let folder = MailFolder::open(folder.to_owned()).unwrap();
    Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), post(rig, Arc::new(folder), address))
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
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT event_id::text FROM events WHERE event_type LIKE 'Booking%' ORDER BY 1")
            .fetch_all(&rig.pool)
            .await
            .unwrap();
    let named: Vec<_> = names.iter().map(|name| name.split('.').next().unwrap()).collect();
    assert_eq!(named, ids);
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

/// Neither those of booking_monitor, whose ids carry numbers, nor any other: no mail is owed, none fails.
#[tokio::test]
async fn bookings_of_users_without_an_account_queue_no_mail() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let mails = mails(&rig, folder.path(), "ada@example.org");
    mails.open().await.unwrap();
    let (sold_at_once, held) = (rig.open(0).await, rig.open(900).await);
    let numbered = (1..=30).map(|number| UserId::from_number(number).unwrap());
    let unknown = (0..30).map(|_| UserId(Machine.new_id()));
    for user in numbered.chain(unknown) {
        let booking = rig.reserve_for(user, sold_at_once, 1).await;
        rig.cancel(sold_at_once, booking).await;
        let booking = rig.reserve_for(user, held, 1).await;
        rig.confirm(held, booking).await;
    }
    rig.queue().await;
    let rows = async || {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM mails").fetch_one(&rig.pool).await.unwrap()
    };
    assert_eq!(rows().await, 0);
    let booking = rig.reserve(held, 1).await;
    rig.confirm(held, booking).await;
    rig.queue().await;
    assert_eq!(rows().await, 1, "an account's booking is written about");
    rig.delete_account(ADA).await;
    write_all(&rig, &mails).await;
    assert_eq!((rows().await, written(folder.path()).len()), (0, 0), "nothing is owed to a deleted account");
}

#[tokio::test]
async fn a_guest_is_written_to_until_it_is_erased() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let mails = mails(&rig, folder.path(), "grace@example.org");
    mails.open().await.unwrap();
    let grace = UserId(Machine.new_id());
    rig.guest(grace).await;
    let show = rig.open(900).await;
    let book = async || {
        let booking = rig.reserve_for(grace, show, 1).await;
        rig.confirm(show, booking).await;
    };
    book().await;
    write_all(&rig, &mails).await;
    assert_eq!(written(folder.path()).len(), 1);
    book().await;
    rig.queue().await;
    rig.erase_guest(grace).await;
    book().await;
    write_all(&rig, &mails).await;
    assert_eq!(written(folder.path()).len(), 1, "neither what was queued before nor what came after");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM mails").fetch_one(&rig.pool).await.unwrap();
    assert_eq!(rows, 1, "the one that was written");
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
    let names = written(&folder.path().join("mail"));
    assert_eq!(names.len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("mail").join(&names[0])), 0o600, "nobody else reads an address");
    let made = folder.path().join("made");
    MailFolder::open(made.clone()).unwrap();
    assert_eq!(mode(&made), 0o700);
}

/// Nothing is queued until mails are open: what is queued before is not mailed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_could_not_be_opened_are_opened_before_anything_is_queued() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let mut held = rig.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE mail_channel").execute(&mut *held).await.unwrap();
    let mailer = MailFolder::open(folder.path().to_owned()).unwrap();
    let parts = NotifierParts {
        ambient: Arc::new(rig.clock.clone()),
        key: rig.key.clone(),
        deliver: config(),
        mail: Some(post(&rig, Arc::new(mailer), "ada@example.org")),
    };
    let notifier = Notifier::new(&rig.pool, LogSource::new(&rig.pool), parts).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(notifier.keep_running(Some(rig.writer.commits()), stop.clone()));
    let opens =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND query LIKE 'INSERT INTO mail_channel%'";
    let mut first = None;
    eventually(PATIENCE, "it opens", async || {
        first = sqlx::query_scalar::<_, i32>(opens).fetch_optional(&rig.pool).await.unwrap();
        first.is_some()
    })
    .await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(first).execute(&rig.pool).await.unwrap();
    eventually(PATIENCE, "it tries again", async || {
        let next = sqlx::query_scalar::<_, i32>(opens).fetch_optional(&rig.pool).await.unwrap();
        next.is_some() && next != first
    })
    .await;
    held.rollback().await.unwrap();
    eventually(PATIENCE, "mails are open", async || {
        let open = "SELECT count(*) FROM mail_channel";
        sqlx::query_scalar::<_, i64>(open).fetch_one(&rig.pool).await.unwrap() == 1
    })
    .await;
    rig.sell(1).await;
    eventually(PATIENCE, "the mail is there", async || {
        written(folder.path()).iter().any(|name| name.ends_with(".eml"))
    })
    .await;
    stop.cancel();
    running.await.unwrap();
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
