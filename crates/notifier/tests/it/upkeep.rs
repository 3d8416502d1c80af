//! The queue is kept in order: what is old goes, and a queue that is too long takes no more until it has drained.

use crate::{
    receiver::Receiver,
    rig::{PATIENCE, Rig},
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_notifier::{
    DeliveryState, EndpointState, EventKind, Upkeep, queue_replays, replay, sweep, upkeep,
};
use holdfast_testkit::eventually;

const SOLD: &[EventKind] = &[EventKind::BookingConfirmed];
/// Rows that one statement of a sweep deletes.
const SWEEP_ROWS: i32 = 5_000;

impl Rig {
    /// Rows swept in all, and the names of what failed.
    async fn sweep(&self) -> (u64, Vec<&'static str>) {
        let (mut rows, mut failed) = (0, vec![]);
        for (work, swept) in sweep(&self.pool, self.clock.now()).await {
            match swept {
                Ok(swept) => rows += swept,
                Err(_) => failed.push(work),
            }
        }
        (rows, failed)
    }

    async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(&format!("SELECT count(*) FROM {table}")).fetch_one(&self.pool).await.unwrap()
    }

    /// What came of one look at a queue of at most eight.
    async fn upkeep(&self) -> (usize, u64) {
        let Upkeep { filled, drained, .. } = upkeep(&self.pool, self.clock.now(), 8).await.unwrap();
        (filled, drained)
    }

    async fn state(&self, endpoint: &crate::rig::Registered) -> EndpointState {
        self.endpoint(endpoint.id).await.state
    }
}

/// Whatever has gathered, however much: a sweep goes on until all of it is gone.
#[tokio::test]
async fn a_sweep_deletes_all_that_is_old_and_nothing_else() {
    let rig = Rig::new().await;
    let attempts = "INSERT INTO webhook_attempts (delivery_id, attempted_at, claim_id, milliseconds)
                    SELECT gen_random_uuid(), $1::timestamptz, gen_random_uuid(), 1 FROM generate_series(1, $2)";
    let now = rig.clock.now();
    for (age, rows) in [(31, SWEEP_ROWS + 1), (29, 2)] {
        sqlx::query(attempts).bind(now - TimeDelta::days(age)).bind(rows).execute(&rig.pool).await.unwrap();
    }
    let rows = SWEEP_ROWS.unsigned_abs() + 1;
    assert_eq!((rig.sweep().await, rig.count("webhook_attempts").await), ((rows.into(), vec![]), 2));
}

#[tokio::test]
async fn a_sweep_that_fails_keeps_no_other_from_its_work() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.sell(3).await;
    rig.deliver().await;
    rig.later(TimeDelta::days(31));
    sqlx::query("ALTER TABLE webhook_attempts RENAME TO elsewhere").execute(&rig.pool).await.unwrap();
    assert_eq!(rig.sweep().await, (3, vec!["sweeping old attempts"]));
    assert_eq!(rig.owed().await, 0);
}

/// The sweep waits for the row's lock, and then sees it as it is by then: owed. (Newer versions of Postgres find that it has
/// moved; the age in the outer statement is for those that do not look.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replay_asks_for_while_it_is_swept_is_still_owed() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    rig.deliver().await;
    rig.later(TimeDelta::days(31));
    let mut again = rig.pool.begin().await.unwrap();
    let pending = "UPDATE webhook_deliveries SET state = 'pending', ended_at = NULL";
    sqlx::query(pending).execute(&mut *again).await.unwrap();
    let (pool, now) = (rig.pool.clone(), rig.clock.now());
    let sweeping = tokio::spawn(async move { sweep(&pool, now).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM webhook_deliveries%'";
    eventually(PATIENCE, "the sweep waits for the row", async || {
        sqlx::query_scalar::<_, i64>(waits).fetch_one(&rig.pool).await.unwrap() == 1
    })
    .await;
    again.commit().await.unwrap();
    assert!(sweeping.await.unwrap().iter().all(|(_, swept)| swept.is_ok()));
    assert_eq!(rig.deliveries(&endpoint, Some(DeliveryState::Pending)).await.len(), 1);
}

/// It is sent all the while, so it drains; then it goes on by itself. What was not queued meanwhile can be replayed, from
/// the first gap on, however often it was full.
#[tokio::test]
async fn a_full_queue_is_sent_and_takes_no_more_until_half_of_it_has_drained() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(8).await;
    rig.queue().await;
    assert_eq!((rig.upkeep().await, rig.state(&endpoint).await), ((0, 0), EndpointState::Active));
    rig.sell(4).await;
    rig.queue().await;
    assert_eq!(rig.upkeep().await, (1, 0));
    let full = rig.endpoint(endpoint.id).await;
    assert_eq!((full.state, full.stopped_reason.as_deref()), (EndpointState::Full, Some("queue_full")));

    rig.sell(2).await;
    rig.queue().await;
    assert_eq!(rig.owed().await, 12, "nothing more is queued");
    let deliverer = rig.deliverer();
    assert_eq!((deliverer.run_once().await.unwrap(), rig.upkeep().await), (5, (0, 0)), "seven wait");
    holdfast_notifier::enable(&rig.pool, endpoint.id).await.unwrap();
    assert_eq!(rig.state(&endpoint).await, EndpointState::Full, "nobody can make it take more");
    assert_eq!((deliverer.run_once().await.unwrap(), rig.upkeep().await), (5, (0, 1)), "two wait");
    assert_eq!(rig.state(&endpoint).await, EndpointState::Active);

    // Full once more, before anybody has looked.
    rig.sell(9).await;
    rig.queue().await;
    assert_eq!((rig.upkeep().await, rig.owed().await), ((1, 0), 21));
    rig.sell(1).await;
    rig.queue().await;
    assert_eq!((rig.send_due().await, rig.upkeep().await, receiver.ids().len()), (11, (0, 1), 21));
    let from = rig.endpoint(endpoint.id).await.resume_from;
    assert_eq!(from, full.resume_from, "the first gap");
    replay(&rig.pool, endpoint.id, &from, Some(&[EventKind::BookingHeld])).await.unwrap();
    while queue_replays(&rig.pool, rig.clock.now()).await.unwrap() {}
    assert_eq!(rig.endpoint(endpoint.id).await.resume_from, from, "that filled nothing");
    replay(&rig.pool, endpoint.id, &from, None).await.unwrap();
    while queue_replays(&rig.pool, rig.clock.now()).await.unwrap() {}
    rig.send_due().await;
    assert_eq!(receiver.ids().len(), 24, "nothing is missing");
    assert_eq!(rig.endpoint(endpoint.id).await.resume_from, []);
}
