//! Holds end by themselves.

use crate::rig::{PATIENCE, Rig, confirm, open, policy, reserve, reserve_one};
use chrono::TimeDelta;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{BookingId, BookingStatus, Refused};
use holdfast_testkit::eventually;
use holdfast_writer::ExecuteError;

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
