//! A cancelled flight loses all its bookings, however many there are and whoever dies meanwhile.

use crate::rig::{PATIENCE, Rig, ask, config, open_flight, policy, reserve_one, writer_on};
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{CancelFlight, ENDINGS_MAX, InventoryCommand, InventoryId, SalesState};
use holdfast_testkit::eventually;
use holdfast_writer::{Accepted, Writer};
use sqlx::PgPool;
use uuid::Uuid;

/// Ten decisions, and more than half of what one append holds several times over.
const BOOKINGS: u32 = 5_000;

async fn flight_with_bookings(writer: &Writer, bookings: u32) -> InventoryId {
    let id = open_flight(writer, bookings, policy(0)).await;
    // As many at once as a partition's queue takes.
    for begun in (0..bookings).step_by(1_000) {
        let sold = join_all((begun..bookings.min(begun + 1_000)).map(|_| reserve_one(writer, id))).await;
        assert!(sold.iter().all(Result::is_ok));
    }
    id
}

async fn cancel(writer: &Writer, id: InventoryId, command_id: Uuid) -> Accepted {
    let cancel = InventoryCommand::CancelFlight(CancelFlight { reason: "weather".to_owned() });
    writer.execute(ask(id, command_id, cancel)).await.unwrap()
}

/// Bookings that were ended, and how many of them more than once.
async fn ended(pool: &PgPool) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(DISTINCT payload ->> 'booking_id'), count(*) - count(DISTINCT payload ->> 'booking_id')
         FROM events WHERE event_type = 'BookingCancelled'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

async fn all_end(rig: &Rig, bookings: u32) {
    eventually(PATIENCE, "all bookings end", async || ended(&rig.pool).await.0 == i64::from(bookings)).await;
    assert_eq!(ended(&rig.pool).await, (i64::from(bookings), 0), "each of them once");
}

#[tokio::test]
async fn bookings_of_a_cancelled_flight_end_without_anyone_asking() {
    let rig = Rig::new().await;
    let id = flight_with_bookings(&rig.writer, BOOKINGS).await;
    let answer = cancel(&rig.writer, id, Machine.new_id()).await;
    assert_eq!(answer.counts.sales, SalesState::Cancelled);
    assert_eq!(answer.counts.confirmed as usize, BOOKINGS as usize - ENDINGS_MAX, "the first end at once");
    all_end(&rig, BOOKINGS).await;
    let left = rig.writer.inventory(id).await.unwrap().counts;
    assert_eq!((left.held, left.confirmed, left.sales), (0, 0, SalesState::Cancelled));
}

#[tokio::test]
async fn a_writer_that_ends_in_the_middle_leaves_the_rest_to_the_next_which_ends_each_once() {
    let rig = Rig::new().await;
    let id = flight_with_bookings(&rig.writer, BOOKINGS).await;
    cancel(&rig.writer, id, Machine.new_id()).await;
    rig.writer.shutdown().await;
    let (before, _) = ended(&rig.pool).await;
    assert!(before < i64::from(BOOKINGS), "it was to end in the middle");
    let next = writer_on(&rig.pool, rig.db.connect_options(), &rig.clock, config()).await;
    next.wake(id);
    all_end(&rig, BOOKINGS).await;
}

/// The answer is lost, and with it whether the flight is cancelled: the same key gets the first answer.
#[tokio::test]
async fn a_cancellation_whose_answer_was_lost_is_done_once() {
    let rig = Rig::new().await;
    let id = flight_with_bookings(&rig.writer, 3).await;
    rig.writer.shutdown().await;
    let proxy = rig.db.proxy();
    let writer = writer_on(&rig.pool, proxy.connect_options(), &rig.clock, config()).await;
    writer.inventory(id).await.unwrap();
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO events"));
    let command_id = Machine.new_id();
    let first = cancel(&writer, id, command_id).await;
    assert_eq!((proxy.losses(), first.counts.confirmed), (1, 0));
    assert!(cancel(&writer, id, command_id).await.replayed);
    assert_eq!(ended(&rig.pool).await, (3, 0));
    assert_eq!(rig.events().await, 1 + 3 + 1 + 3);
}
