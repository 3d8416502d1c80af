//! Deciding in batches.

use crate::rig::{PATIENCE, Rig, confirm, open, policy, reserve, reserve_one};
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{BookingStatus, Refused};
use holdfast_testkit::eventually;
use holdfast_writer::{ExecuteError, WriterConfig};

/// Without decisions on memory that includes the batch's own events, each of these would see ten seats.
#[tokio::test]
async fn commands_of_one_batch_see_each_other() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    let answers = join_all((0..200).map(|_| reserve_one(&rig.writer, id))).await;
    let sold_out = ExecuteError::Refused(Refused::SoldOut { requested: 1, available: 0 });
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 10);
    assert!(answers.iter().filter_map(|a| a.as_ref().err()).all(|e| *e == sold_out));
    assert_eq!(rig.events().await, 11);
}

/// Postgres holds its answer back: the buyer who would be refused because of the first one's
/// uncommitted seats must wait. Answered at once, he would be told "sold out" by a sale that may fail.
#[tokio::test]
async fn a_refusal_that_depends_on_an_uncommitted_event_waits_for_its_commit() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 1, policy(60)).await;
    rig.writer.shutdown().await;
    let proxy = rig.db.proxy();
    let writer =
        crate::rig::writer_on(&rig.pool, proxy.connect_options(), &rig.clock, crate::rig::config()).await;
    writer.inventory(id).await.unwrap(); // in memory, so that both are decided in one round
    let before = rig.events().await;
    // The append never arrives; until that is settled neither may hear anything.
    proxy.lose_requests(|sql| sql.contains("INSERT INTO events"));
    let (first, second) = tokio::join!(reserve_one(&writer, id), reserve_one(&writer, id));
    assert_eq!(rig.events().await, before, "nothing was written");
    for answer in [first, second] {
        let error = answer.expect_err("no answer without a commit");
        assert!(!matches!(error, ExecuteError::Refused(_)), "refused by a sale that never was: {error:?}");
    }
    proxy.pass();
    eventually(PATIENCE, "the writer goes on", async || reserve_one(&writer, id).await.is_ok()).await;
}

#[tokio::test]
async fn a_booking_can_be_confirmed_the_moment_it_is_answered() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    let booking = Machine.new_id();
    rig.writer.execute(reserve(id, booking, 2)).await.unwrap();
    let accepted = rig.writer.execute(confirm(id, booking)).await.unwrap();
    assert_eq!(accepted.booking.unwrap().status, BookingStatus::Confirmed);
    assert_eq!((accepted.counts.held, accepted.counts.confirmed), (0, 2));
    let again = rig.writer.execute(confirm(id, booking)).await.unwrap();
    assert!(again.answer.is_none(), "asking again changes nothing");
    assert_eq!(rig.events().await, 3);
}

#[tokio::test]
async fn many_inventories_share_an_append_and_none_loses_a_command() {
    let rig = Rig::new().await;
    let ids = join_all((0..40).map(|_| open(&rig.writer, 1_000, policy(0)))).await;
    let answers = join_all((0..2_000).map(|i| reserve_one(&rig.writer, ids[i % ids.len()]))).await;
    assert!(answers.iter().all(Result::is_ok));
    let heads = holdfast_event_log::heads(&rig.pool).await.unwrap();
    assert_eq!(heads.iter().map(|h| h.position).sum::<i64>(), 2_040);
    assert_eq!(rig.events().await, 2_040);
}

/// The queue holds four; Postgres does not answer. The fifth is told so at once instead of waiting.
#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 100, policy(0)).await;
    rig.writer.shutdown().await;
    let proxy = rig.db.proxy();
    let config = WriterConfig { queue_commands_max: 4, ..crate::rig::config() };
    let writer = crate::rig::writer_on(&rig.pool, proxy.connect_options(), &rig.clock, config).await;
    writer.inventory(id).await.unwrap();
    proxy.stall();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let writer = writer.clone();
            tokio::spawn(async move { reserve_one(&writer, id).await })
        })
        .collect();
    let asked = async || reserve_one(&writer, id);
    eventually(PATIENCE, "the queue fills", async || {
        matches!(
            tokio::time::timeout(std::time::Duration::from_millis(50), asked().await).await,
            Ok(Err(ExecuteError::Overloaded))
        )
    })
    .await;
    proxy.pass();
    for answer in waiting {
        // A place may have been taken by a probe above; whoever had one is answered.
        let answer = answer.await.unwrap();
        assert!(matches!(answer, Ok(_) | Err(ExecuteError::Overloaded)), "{answer:?}");
    }
}
