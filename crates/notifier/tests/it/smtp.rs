//! Mails to a real SMTP server, which misbehaves as servers do.

use crate::{
    mailing::post,
    rig::{ADA, PATIENCE, Rig, config},
};
use chrono::TimeDelta;
use futures::future::{BoxFuture, join_all};
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_domain::{
    AirplaneId, AirportId, BookingId, CancelFlight, ChangeFlight, Currency, Flight, InventoryCommand,
    InventoryId, Money, OpenInventory, Policy, Subject, UserId,
};
use holdfast_notifier::{
    Capacity, Mail, Mailer, Mails, NewReminder, NotTaken, Notifier, NotifierParts, Reminder, ReminderError,
    ReminderState, Smtp, create_reminder, delete_reminder, failed_mails, reminders, retry_mail,
    retry_reminder, upkeep,
};
use holdfast_projector::LogSource;
use holdfast_testkit::{SmtpServer, eventually};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than a claim lasts.
const CLAIM_ENDS: TimeDelta = TimeDelta::minutes(4);
const ADDRESS: &str = "ada@example.org";

impl Rig {
    async fn mails_to(&self, server: &SmtpServer) -> Mails {
        let smtp = Smtp::new(&server.url(), None, None).unwrap();
        let mails =
            Mails::new(self.pool.clone(), Arc::new(self.clock.clone()), post(self, Arc::new(smtp), ADDRESS));
        mails.open().await.unwrap();
        mails
    }

    /// Queues all that is in the log and tries all that is due, once.
    async fn mail_all(&self, mails: &Mails) {
        self.queue().await;
        while mails.run_once().await.unwrap() > 0 {}
    }

    async fn mail_states(&self) -> Vec<(String, i64)> {
        sqlx::query_as(
            "SELECT state || coalesce(' ' || failure, ''), count(*) FROM mails GROUP BY 1 ORDER BY 1",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    async fn remind(&self, minutes: i64, recipient: Option<&str>) -> Reminder {
        let new = NewReminder {
            reminder_id: Machine.new_id(),
            fingerprint: Uuid::nil(),
            user_id: ADA,
            recipient: recipient.map(str::to_owned),
            subject: "Check in".to_owned(),
            content: "<b>It</b> is open.".to_owned(),
            remind_at: self.clock.now() + TimeDelta::minutes(minutes),
        };
        create_reminder(&self.pool, &new, self.clock.now()).await.unwrap().0
    }

    async fn reminder(&self, id: Uuid) -> Reminder {
        let all = reminders(&self.pool, ADA, None, 200).await.unwrap();
        all.into_iter().find(|reminder| reminder.reminder_id == id).unwrap()
    }

    async fn open_flight(&self) -> InventoryId {
        let id = Machine.new_id();
        let at = |text: &str| text.parse().unwrap();
        let number = |n| Uuid::from_u128(n);
        let flight = Flight {
            number: "HF<b>7".to_owned(),
            airplane_id: AirplaneId(number(1)),
            departure_airport_id: AirportId(number(2)),
            arrival_airport_id: AirportId(number(3)),
            departure_zone: "Europe/Berlin".to_owned(),
            arrival_zone: "America/New_York".to_owned(),
            departs_at: at("2026-06-01T08:00:00Z"),
            arrives_at: at("2026-06-01T17:00:00Z"),
            gate: None,
        };
        let command = InventoryCommand::OpenInventory(OpenInventory {
            accept_departed: false,
            subject: Subject::Flight(Box::new(flight)),
            capacity: 10_000,
            price: Money { amount: 2_000, currency: Currency::from_code("EUR").unwrap() },
            policy: Policy {
                seats_per_booking: 10,
                live_bookings_per_user: 0,
                hold_seconds: 0,
                overbooking_allowance: 0,
                seats_per_user: 0,
                holds_per_user: 0,
            },
        });
        self.ask(InventoryId(id), command).await;
        InventoryId(id)
    }
}

/// The server does not know SMTPUTF8, which an international domain in its own letters would need.
#[tokio::test]
async fn a_mail_to_an_international_domain_is_sent_in_its_ascii_form() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("ascii").await);
    let smtp = Arc::new(Smtp::new(&server.url(), None, None).unwrap());
    let mails =
        Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), post(&rig, smtp, "x@bücher.example"));
    mails.open().await.unwrap();
    rig.sell(1).await;
    rig.mail_all(&mails).await;
    assert_eq!(rig.mail_states().await, [("delivered".to_owned(), 1)]);
    assert!(server.mails()[0].contains("To: x@xn--bcher-kva.example"), "{}", server.mails()[0]);
}

#[tokio::test]
async fn a_confirmation_is_in_the_mailbox_as_text_and_html() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("accept").await);
    let mails = rig.mails_to(&server).await;
    let show = rig.open(0).await;
    let booking = rig.reserve(show, 2).await;
    rig.mail_all(&mails).await;
    let all = server.mails();
    assert_eq!(all.len(), 1);
    for part in [
        "To: ada@example.org",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "The Tempest",
        &booking.to_string(),
    ] {
        assert!(all[0].contains(part), "{part}: {}", all[0]);
    }
    assert_eq!(rig.mail_states().await, [("delivered".to_owned(), 1)]);
}

/// 4xx, no answer and refused connections say nothing final; nor does 5xx about the session.
#[tokio::test]
async fn what_is_not_the_mails_fault_is_tried_again_until_it_is_taken() {
    for (mode, why) in [
        ("greylist", "smtp_451 4.7.1"),
        ("auth", "smtp_530 5.7.0"),
        ("greet-554", "smtp_554 5.3.2"),
        ("absent", "connection"),
    ] {
        let (rig, mut server) = (Rig::new().await, SmtpServer::start("accept").await);
        let mails = rig.mails_to(&server).await;
        match mode {
            "absent" => server.stop().await,
            mode => server.behave(mode).await,
        }
        rig.sell(1).await;
        rig.mail_all(&mails).await;
        assert_eq!(rig.mail_states().await, [(format!("pending {why}"), 1)], "{mode}");
        if mode != "greylist" {
            server.behave("accept").await;
        }
        rig.later(TimeDelta::seconds(6));
        rig.mail_all(&mails).await;
        assert_eq!(
            (server.mails().len(), rig.mail_states().await),
            (1, vec![("delivered".to_owned(), 1)]),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn a_refused_receiver_is_given_up_told_without_an_address_and_retried_when_somebody_asks() {
    let (rig, mut server) = (Rig::new().await, SmtpServer::start("refuse").await);
    let mails = rig.mails_to(&server).await;
    rig.sell(1).await;
    rig.mail_all(&mails).await;
    let failed = failed_mails(&rig.pool, None, 10).await.unwrap();
    assert_eq!((failed.len(), failed[0].failure.as_deref()), (1, Some("smtp_550 5.1.1")));
    let told = upkeep(&rig.pool, rig.clock.now(), 1_000).await.unwrap().mails;
    assert_eq!((told.waiting, told.failed), (0, 1));
    server.behave("accept").await;
    rig.later(TimeDelta::days(2));
    rig.mail_all(&mails).await;
    assert!(server.mails().is_empty(), "nobody asked");
    assert!(retry_mail(&rig.pool, Uuid::nil(), rig.clock.now()).await.unwrap().is_none());
    retry_mail(&rig.pool, failed[0].mail_id, rig.clock.now()).await.unwrap().unwrap();
    rig.mail_all(&mails).await;
    assert_eq!(server.mails().len(), 1);
    assert!(failed_mails(&rig.pool, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_mail_records_the_servers_two_codes_and_a_refused_receiver_is_not_tried_again() {
    let (rig, mut server) = (Rig::new().await, SmtpServer::start("accept").await);
    let mails = rig.mails_to(&server).await;
    for (mode, became) in [
        ("rcpt 550 5.1.1 <ada@example.org>: no such user", "dead smtp_550 5.1.1"),
        ("rcpt 501 5.1.3 <ada@example.org>: bad address", "dead smtp_501 5.1.3"),
        ("rcpt 521 5.2.1 Mailbox disabled", "dead smtp_521 5.2.1"),
        ("rcpt 550 ada@example.org is unknown", "dead smtp_550"),
        ("rcpt 550 5.1.1<ada@example.org>", "dead smtp_550"),
        ("rcpt 551 User not local", "dead smtp_551"),
        ("rcpt 553 Mailbox name not allowed", "dead smtp_553"),
        ("rcpt 554 Transaction failed", "dead smtp_554"),
        ("rcpt 521 Server does not accept mail", "dead smtp_521"),
        ("data 550 5.1.1 <ada@example.org>: no such user", "dead smtp_550 5.1.1"),
        ("data 554 5.7.1 Message looks like spam", "pending smtp_554 5.7.1"),
        ("data 550 Message refused", "pending smtp_550"),
        ("rcpt 452 4.2.2 <ada@example.org>: mailbox full", "pending smtp_452 4.2.2"),
        ("rcpt 504 5.5.2 Helo command rejected", "pending smtp_504 5.5.2"),
        ("rcpt 503 Bad sequence of commands", "pending smtp_503"),
        ("mail 553 5.1.8 Sender address rejected", "pending smtp_553 5.1.8"),
        ("mail 550 Sender refused", "pending smtp_550"),
    ] {
        server.behave(mode).await;
        rig.sell(1).await;
        rig.mail_all(&mails).await;
        assert_eq!(rig.mail_states().await, [(became.to_owned(), 1)], "{mode}");
        sqlx::query("DELETE FROM mails").execute(&rig.pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mails_of_an_outage_are_a_thousand_when_it_ends_and_none_twice() {
    let (rig, mut server) = (Rig::new().await, SmtpServer::start("accept").await);
    let (one, other) = (rig.mails_to(&server).await, rig.mails_to(&server).await);
    server.stop().await;
    rig.sell(1_000).await;
    rig.mail_all(&one).await;
    assert_eq!(rig.mail_states().await, [("pending connection".to_owned(), 1_000)]);
    assert_eq!(upkeep(&rig.pool, rig.clock.now(), 1_000).await.unwrap().mails.waiting, 1_000);
    server.behave("accept").await;
    rig.later(TimeDelta::seconds(6));
    // Two notifiers share them.
    let work = async |mails: &Mails| {
        let mut tried = 0;
        loop {
            match mails.run_once().await.unwrap() {
                0 => return tried,
                more => tried += more,
            }
        }
    };
    let (by_one, by_other) = tokio::join!(work(&one), work(&other));
    assert_eq!(by_one + by_other, 1_000);
    assert!(by_one > 0 && by_other > 0, "{by_one} and {by_other}");
    let ids = server.message_ids();
    assert_eq!((ids.len(), ids.values().sum::<usize>()), (1_000, 1_000));
}

/// What SMTP makes unavoidable: the server has it, and nobody was told.
#[tokio::test]
async fn a_server_that_dies_before_its_answer_gets_the_mail_again_with_the_same_message_id() {
    let (rig, mut server) = (Rig::new().await, SmtpServer::start("die").await);
    let mails = rig.mails_to(&server).await;
    rig.sell(1).await;
    rig.mail_all(&mails).await;
    assert_eq!(rig.mail_states().await, [("pending connection".to_owned(), 1)]);
    server.behave("accept").await;
    rig.later(TimeDelta::seconds(6));
    rig.mail_all(&mails).await;
    assert_eq!(server.message_ids().into_values().collect::<Vec<_>>(), [2]);
}

/// Hands a mail over, and is gone before that is recorded.
#[derive(Debug)]
struct Killed(Smtp, CancellationToken);

impl Mailer for Killed {
    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn take<'a>(&'a self, group: &'a [Mail]) -> BoxFuture<'a, Vec<Result<(), NotTaken>>> {
        Box::pin(async move {
            assert!(self.0.take(group).await.iter().all(Result::is_ok));
            self.1.cancel();
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn killed_between_sending_and_recording_a_reminder_comes_again_with_the_same_message_id_and_not_before()
{
    let (rig, server) = (Rig::new().await, SmtpServer::start("accept").await);
    let reminder = rig.remind(0, None).await;
    let taken = CancellationToken::new();
    let mailer = Killed(Smtp::new(&server.url(), None, None).unwrap(), taken.clone());
    let dying =
        Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), post(&rig, Arc::new(mailer), ADDRESS));
    tokio::select! { _ = dying.run_once() => panic!("it ended"), () = taken.cancelled() => {} }
    let mails = rig.mails_to(&server).await;
    rig.mail_all(&mails).await;
    assert_eq!(server.mails().len(), 1, "its claim has not ended");
    assert!(matches!(
        delete_reminder(&rig.pool, reminder.reminder_id, Some(ADA)).await,
        Err(ReminderError::NotPending)
    ));
    rig.later(CLAIM_ENDS);
    rig.mail_all(&mails).await;
    rig.later(TimeDelta::days(2));
    rig.mail_all(&mails).await;
    assert_eq!(server.message_ids().into_values().collect::<Vec<_>>(), [2]);
    assert_eq!(rig.reminder(reminder.reminder_id).await.state, ReminderState::Sent);
}

/// A mail's date cannot lie before 1970. That ended the attempt without a word, again and again.
#[tokio::test]
async fn a_reminder_for_a_time_before_all_mails_is_sent_at_once() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("accept").await);
    let mails = rig.mails_to(&server).await;
    let long_ago = (rig.clock.now() - chrono::DateTime::UNIX_EPOCH).num_minutes() + 1_000_000_000;
    let reminder = rig.remind(-long_ago, None).await;
    rig.mail_all(&mails).await;
    assert_eq!(server.mails().len(), 1);
    assert_eq!(rig.reminder(reminder.reminder_id).await.state, ReminderState::Sent);
}

#[tokio::test]
async fn a_reminder_is_sent_when_it_is_due_once_and_retried_only_after_it_failed() {
    let (rig, mut server) = (Rig::new().await, SmtpServer::start("accept").await);
    let mails = rig.mails_to(&server).await;
    let (own, other) = (rig.remind(10, None).await, rig.remind(10, Some("eve@example.net")).await);
    let taken_back = rig.remind(10, None).await;
    delete_reminder(&rig.pool, taken_back.reminder_id, Some(ADA)).await.unwrap();
    rig.mail_all(&mails).await;
    assert!(server.mails().is_empty(), "none is due");
    rig.later(TimeDelta::minutes(11));
    let again = rig.mails_to(&server).await;
    join_all([rig.mail_all(&mails), rig.mail_all(&again)]).await;
    let texts = server.mails();
    assert_eq!(texts.len(), 2);
    assert!(texts.iter().any(|text| text.contains("To: ada@example.org")));
    assert!(texts.iter().any(|text| text.contains("To: eve@example.net")));
    assert!(texts.iter().all(|text| text.contains("&lt;b&gt;It&lt;/b&gt;")), "markup is text: {texts:?}");
    assert_eq!(rig.reminder(own.reminder_id).await.state, ReminderState::Sent);
    let retried = retry_reminder(&rig.pool, other.reminder_id, None, rig.clock.now()).await;
    assert!(matches!(retried, Err(ReminderError::NotFailed)));

    server.behave("refuse").await;
    let refused = rig.remind(0, None).await.reminder_id;
    rig.mail_all(&mails).await;
    let failed = rig.reminder(refused).await;
    assert_eq!((failed.state, failed.failure.as_deref()), (ReminderState::Failed, Some("smtp_550 5.1.1")));
    server.behave("accept").await;
    retry_reminder(&rig.pool, refused, Some(ADA), rig.clock.now()).await.unwrap();
    rig.mail_all(&mails).await;
    assert_eq!((server.mails().len(), rig.reminder(refused).await.state), (3, ReminderState::Sent));
}

#[tokio::test]
async fn a_mail_that_is_never_answered_is_cut_off_and_tried_again() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("slow").await);
    let mails = rig.mails_to(&server).await.giving_up_after(Duration::from_millis(300));
    rig.sell(1).await;
    rig.mail_all(&mails).await;
    assert_eq!(rig.mail_states().await, [("pending timeout".to_owned(), 1)]);
}

/// The slow server answers after 3 s; the webhook is there before the first mail is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_smtp_server_delays_no_webhook() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("slow").await);
    let (receiver, stop) = (crate::receiver::Receiver::good().await, CancellationToken::new());
    let parts = NotifierParts {
        ambient: Arc::new(rig.clock.clone()),
        key: rig.key.clone(),
        deliver: config(),
        mail: Some(post(&rig, Arc::new(Smtp::new(&server.url(), None, None).unwrap()), ADDRESS)),
    };
    rig.mails_to(&server).await;
    rig.register(&receiver, &[]).await;
    let notifier = Notifier::new(&rig.pool, LogSource::new(&rig.pool), parts).unwrap();
    let running = tokio::spawn(notifier.keep_running(Some(rig.writer.commits()), stop.clone()));
    rig.sell(20).await;
    eventually(PATIENCE, "every webhook is there", async || receiver.got().len() >= 20).await;
    let mails = server.mails().len();
    assert!(mails < 20, "all {mails} mails were there before the webhooks");
    eventually(PATIENCE, "every mail is there", async || server.mails().len() == 20).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_flight_that_moves_is_told_to_each_live_booking_and_a_cancelled_one_once() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("accept").await);
    let flight = rig.open_flight().await;
    let bookings: Vec<BookingId> = join_all((0..620).map(|_| rig.reserve(flight, 1))).await;
    rig.cancel(flight, bookings[0]).await;
    let guest = UserId(Machine.new_id());
    rig.guest(guest).await;
    let of_guest = rig.reserve_for(guest, flight, 1).await;
    let mails = rig.mails_to(&server).await;
    let at = |text: &str| text.parse().unwrap();
    let change = ChangeFlight {
        departs_at: Some(at("2026-06-01T10:30:00Z")),
        arrives_at: Some(at("2026-06-01T19:00:00Z")),
        gate: Some(Some("B<7>".to_owned())),
        ..ChangeFlight::default()
    };
    rig.ask(flight, InventoryCommand::ChangeFlight(change)).await;
    let late = rig.reserve(flight, 1).await;
    rig.mail_all(&mails).await;
    let moved: Vec<_> =
        server.mails().into_iter().filter(|mail| mail.contains("Subject: Your flight has moved")).collect();
    assert_eq!(moved.len(), 620, "not who had cancelled, and not who came later");
    assert!(
        !moved.iter().any(|mail| mail.contains(&late.to_string()) || mail.contains(&bookings[0].to_string()))
    );
    assert!(moved.iter().any(|mail| mail.contains(&of_guest.to_string())), "a guest is told, too");
    assert!(moved[0].contains("Departure: 2026-06-01 12:30 +02:00 (Europe/Berlin)"), "{}", moved[0]);
    assert!(moved[0].contains("B&lt;7&gt;") && moved[0].contains("HF&lt;b&gt;7"), "{}", moved[0]);
    let reason = "weather".to_owned();
    rig.ask(flight, InventoryCommand::CancelFlight(CancelFlight { reason })).await;
    eventually(PATIENCE, "every booking is ended", async || {
        let ended = "SELECT count(*) FROM events WHERE event_type = 'BookingCancelled'";
        sqlx::query_scalar::<_, i64>(ended).fetch_one(&rig.pool).await.unwrap() == 622
    })
    .await;
    rig.mail_all(&mails).await;
    let ids = server.message_ids();
    assert!(ids.values().all(|count| *count == 1));
    let cancelled =
        server.mails().into_iter().filter(|mail| mail.contains("Subject: Your flight is cancelled"));
    assert_eq!((cancelled.count(), ids.len()), (621, 620 + 1 + 621));
}
