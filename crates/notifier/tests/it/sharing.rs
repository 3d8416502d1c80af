//! Several notifiers, and one that dies.

use crate::{
    receiver::{Receiver, Reply},
    rig::{PATIENCE, Rig, config},
};
use chrono::TimeDelta;
use holdfast_notifier::{DeliverConfig, DeliveryState, EventKind};
use holdfast_testkit::eventually;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const SOLD: &[EventKind] = &[EventKind::BookingConfirmed];

/// The receiver has answered; the answer was never written down. The next one sends the same id and the same bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_sending_and_recording_it_sends_the_same_again() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Gate, Reply::Status(200)]).await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    rig.queue().await;
    let deliverer = rig.deliverer();
    let sending = tokio::spawn(async move { deliverer.run_once().await });
    receiver.gets(1).await;
    let mut held = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM webhook_deliveries FOR UPDATE").execute(&mut *held).await.unwrap();
    receiver.open_gate(1);
    let recording =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                     AND query LIKE '%webhook_attempts%'";
    let mut pid = None;
    eventually(PATIENCE, "it records", async || {
        pid = sqlx::query_scalar::<_, i32>(recording).fetch_optional(&rig.pool).await.unwrap();
        pid.is_some()
    })
    .await;
    // The process dies with its connection.
    sending.abort();
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&rig.pool).await.unwrap();
    eventually(PATIENCE, "it is gone", async || {
        sqlx::query_scalar::<_, i32>(recording).fetch_optional(&rig.pool).await.unwrap().is_none()
    })
    .await;
    held.rollback().await.unwrap();

    assert_eq!(rig.send_due().await, 0, "its claim holds for a while");
    rig.later(TimeDelta::seconds(61));
    assert_eq!(rig.send_due().await, 1);
    let [first, second] = receiver.got().try_into().unwrap();
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    assert_eq!(rig.deliveries(&endpoint, Some(DeliveryState::Delivered)).await.len(), 1);
}

/// It can be stopped whatever its claim waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_whose_claim_is_not_answered_ends_when_it_is_asked_to() {
    let rig = Rig::new().await;
    let mut held = rig.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE webhook_endpoints").execute(&mut *held).await.unwrap();
    let (stop, (_wake, woken)) = (CancellationToken::new(), watch::channel(()));
    let running = tokio::spawn(rig.deliverer().run(woken, stop.clone()));
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE SKIP LOCKED%'";
    eventually(PATIENCE, "it claims", async || {
        sqlx::query_scalar::<_, i64>(waits).fetch_one(&rig.pool).await.unwrap() == 1
    })
    .await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, running).await.expect("it ends while the lock is held").unwrap();
    held.rollback().await.unwrap();
}

/// A statement that does not end holds neither its attempt nor the endpoint's place. Postgres may end it all the same, later;
/// if not, the same is sent again when the claim has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_is_stuck_in_a_statement_is_cut_off() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Gate, Reply::Status(200)]).await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    rig.queue().await;
    let deliverer = rig.deliverer_with(DeliverConfig { claim_max: TimeDelta::seconds(12), ..config() });
    let sending = tokio::spawn(async move { deliverer.run_once().await });
    receiver.gets(1).await;
    let mut held = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM webhook_deliveries FOR UPDATE").execute(&mut *held).await.unwrap();
    receiver.open_gate(1);
    let ended = tokio::time::timeout(PATIENCE, sending).await.expect("it ends");
    assert_eq!(ended.unwrap().unwrap(), 1);
    held.rollback().await.unwrap();
    rig.later(TimeDelta::seconds(13));
    eventually(PATIENCE, "it is recorded", async || {
        rig.send_due().await;
        rig.deliveries(&endpoint, Some(DeliveryState::Delivered)).await.len() == 1
    })
    .await;
    assert_eq!(receiver.ids().len(), 1);
}

/// Without the lock on the endpoint in a statement of its own, both claim the same, and each counts what is under way
/// before the other's claim is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_notifiers_share_a_queue_and_five_are_under_way_over_both() {
    let rig = Rig::new().await;
    let receivers = [Receiver::good().await, Receiver::good().await, Receiver::good().await];
    for receiver in &receivers {
        rig.register(receiver, SOLD).await;
    }
    rig.sell(150).await;
    rig.queue().await;
    let stop = CancellationToken::new();
    let (_wake, woken) = watch::channel(());
    let running: Vec<_> =
        (0..2).map(|_| tokio::spawn(rig.deliverer().run(woken.clone(), stop.clone()))).collect();
    for receiver in &receivers {
        receiver.gets(150).await;
    }
    stop.cancel();
    for one in running {
        one.await.unwrap();
    }
    for receiver in &receivers {
        assert_eq!((receiver.got().len(), receiver.ids().len()), (150, 150), "each once");
        assert!(receiver.most_under_way() <= 5, "{}", receiver.most_under_way());
    }
}
