//! Holds end by themselves.

use crate::rig::{PATIENCE, Rig, config, confirm, open, policy, reserve, reserve_one};
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine, StoppedClock};
use holdfast_domain::{BookingId, BookingStatus, Refused};
use holdfast_testkit::eventually;
use holdfast_writer::{ExecuteError, Writer};
use std::sync::Arc;

#[tokio::test]
async fn a_hold_ends_without_anyone_asking() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 3, policy(60)).await;
    let booking = Machine.new_id();
    rig.writer.execute(reserve(id, booking, 2)).await.unwrap();
    rig.clock.advance(TimeDelta::seconds(60));
    eventually(PATIENCE, "the timer ends the hold", async || {
        rig.writer.booking(id, BookingId(booking)).await.unwrap().status == BookingStatus::Expired
    })
    .await;
    assert_eq!(rig.writer.inventory(id).await.unwrap().counts.available(), 3);
    let refused = rig.writer.execute(confirm(id, booking)).await.unwrap_err();
    assert!(matches!(refused, ExecuteError::Refused(Refused::HoldExpired { .. })));
}

#[tokio::test]
async fn an_overdue_hold_is_found_when_its_inventory_is_woken_after_a_restart() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 3, policy(60)).await;
    rig.writer.execute(reserve(id, Machine.new_id(), 2)).await.unwrap();
    rig.clock.advance(TimeDelta::minutes(5));
    rig.writer.shutdown().await;
    let after =
        crate::rig::writer_on(&rig.pool, rig.db.connect_options(), &rig.clock, crate::rig::config()).await;
    after.wake(id);
    eventually(PATIENCE, "BookingExpired is written", async || {
        let expired: i64 =
            sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'BookingExpired'")
                .fetch_one(&rig.pool)
                .await
                .unwrap();
        expired == 1
    })
    .await;
}

/// The machine's clock is set back an hour: within a partition time stands still instead.
#[tokio::test]
async fn time_never_runs_backwards_in_a_partition() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 3, policy(0)).await;
    let first = reserve_one(&rig.writer, id).await.unwrap().answer.unwrap().recorded_at;
    rig.clock.advance(TimeDelta::hours(-1));
    let second = reserve_one(&rig.writer, id).await.unwrap().answer.unwrap().recorded_at;
    assert_eq!(first, second);
    let after = rig.restarted().await;
    let third = reserve_one(&after, id).await.unwrap().answer.unwrap().recorded_at;
    assert_eq!(second, third, "also not across a restart");
}

/// Every look at it is a millisecond later than the one before.
#[derive(Debug)]
struct TickingClock(StoppedClock);

impl Ambient for TickingClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.advance(TimeDelta::milliseconds(1));
        self.0.now()
    }
}

/// Events of one append have different times. The head keeps the last one's, or a successor with a slow
/// clock could record something earlier than what stands in front of it.
#[tokio::test]
async fn the_head_knows_the_time_of_its_last_event() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 100, policy(0)).await;
    rig.writer.shutdown().await;
    let ticking = Arc::new(TickingClock(rig.clock.clone()));
    let writer = Writer::start(rig.pool.clone(), rig.db.connect_options(), ticking, config()).await.unwrap();
    writer.inventory(id).await.unwrap();
    assert!(join_all((0..50).map(|_| reserve_one(&writer, id))).await.iter().all(Result::is_ok));
    let behind: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM log_heads h JOIN events e USING (log_partition) WHERE e.recorded_at > h.recorded_at",
    )
    .fetch_one(&rig.pool)
    .await
    .unwrap();
    assert_eq!(behind, 0);
}
