//! Who may take a partition: leases keep two processes from taking it from each other all the time.
//!
//! Interleaving: a renewal or a take-over of many partitions meets an append that holds one of them.
//! If it kept the ones it has while it waits, the append, which may need those, would wait for it.

use crate::scene::*;
use holdfast_event_log::{
    Claim, Head, HeadError, PARTITIONS_DEFAULT, heads, initialize, partitions, release, renew, take_over,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// As a process that knows nothing of the other's death.
fn politely(claim: Claim<'static>) -> Claim<'static> {
    Claim { force: false, ..claim }
}

fn numbers(heads: &[Head]) -> Vec<u16> {
    heads.iter().map(|h| h.log_partition).collect()
}

async fn lapse(log: &Log, log_partition: i16) {
    let lapse =
        "UPDATE log_heads SET lease_until = clock_timestamp() - interval '1 ms' WHERE log_partition = $1";
    sqlx::query(lapse).bind(log_partition).execute(&log.pool).await.unwrap();
}

#[tokio::test]
async fn a_live_lease_of_another_process_is_respected() {
    let log = log(3).await;
    let old = log.own(politely(OLD)).await;
    assert_eq!(numbers(&old), [0, 1, 2], "leases of nobody have ended");
    assert_eq!(log.own(politely(NEW)).await, []);
    lapse(&log, 1).await;
    let taken = log.own(politely(NEW)).await;
    assert_eq!(taken, [Head { epoch: old[1].epoch + 1, ..old[1] }]);
}

#[tokio::test]
async fn a_dead_predecessor_is_not_waited_for() {
    let log = log(2).await;
    let claims = [
        politely(OLD),
        // The same process once more, wherever it listens.
        Claim { owner_address: "elsewhere:1", ..politely(OLD) },
        politely(OLD),
        // Another process at the same address: the one that was there cannot be alive.
        Claim { owner: Uuid::from_u128(7), ..politely(OLD) },
        // Its death is known otherwise.
        NEW,
    ];
    for (claim, epoch) in claims.into_iter().zip(1..) {
        let taken = log.own(claim).await;
        assert_eq!(taken.iter().map(|h| h.epoch).collect::<Vec<_>>(), [epoch, epoch], "{claim:?}");
    }
}

#[tokio::test]
async fn a_take_over_says_where_the_chain_and_its_time_end() {
    let log = log(2).await;
    let head = log.own(OLD).await[0];
    append([(head, &[command(1), command(2)][..])]).send(&mut log.connect().await).await.unwrap();
    let taken = log.take_over(OLD).await;
    assert_eq!((taken[0].head.position, taken[0].recorded_at), (2, Some(noon())));
    assert_eq!((taken[1].head.position, taken[1].recorded_at), (0, None));
}

#[tokio::test]
async fn a_partitions_time_does_not_run_backwards() {
    let log = log(1).await;
    let mut conn = log.connect().await;
    let head = log.own(OLD).await[0];
    let later = append([(head, &[command(1)][..])]).send(&mut conn).await.unwrap().committed[0];
    let mut earlier = holdfast_event_log::Append::default();
    earlier.begin(later, noon() - chrono::TimeDelta::hours(1));
    earlier.event(event_of(command(2))).unwrap();
    earlier.send(&mut conn).await.unwrap();
    assert_eq!(log.take_over(OLD).await[0].recorded_at, Some(noon()));
}

#[tokio::test]
async fn renewing_keeps_a_lease_alive_and_names_what_is_lost() {
    let log = log(3).await;
    let mut conn = log.connect().await;
    let old = log.own(OLD).await;
    take_over(&mut conn, &[1], NEW).await.unwrap();
    lapse(&log, 0).await;
    lapse(&log, 2).await;
    let mut kept = renew(&mut conn, &old, OLD.owner).await.unwrap();
    kept.sort();
    assert_eq!(kept, [0, 2]);
    assert_eq!(log.own(politely(NEW)).await.len(), 1, "all it can take is what it has");
    // The same process in an earlier epoch owns nothing either.
    log.own(OLD).await;
    assert_eq!(renew(&mut conn, &old, OLD.owner).await.unwrap(), Vec::<u16>::new());
}

#[tokio::test]
async fn a_released_partition_is_free_at_once_and_no_other() {
    let log = log(2).await;
    let mut conn = log.connect().await;
    let old = log.own(politely(OLD)).await;
    take_over(&mut conn, &[1], NEW).await.unwrap();
    release(&log.pool, &heads(&log.pool).await.unwrap(), OLD.owner).await.unwrap();
    let third = Claim { owner: Uuid::from_u128(3), owner_address: "third:1", force: false };
    assert_eq!(numbers(&log.own(third).await), [0]);
    assert_eq!(append([(old[0], &[command(1)][..])]).send(&mut conn).await.unwrap().fenced, [0]);
}

/// Holds the head of partition 1, as an append would that waits for something.
async fn hold_partition_1(conn: &mut PgConnection) -> sqlx::Transaction<'_, sqlx::Postgres> {
    let mut held = conn.begin().await.unwrap();
    let hold = "SELECT FROM log_heads WHERE log_partition = 1 FOR UPDATE";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    held
}

#[tokio::test]
async fn a_renewal_that_waits_for_an_append_holds_no_head() {
    let log = log(3).await;
    let (mut holding, mut renewing) = (log.connect().await, log.connect().await);
    let heads = log.own(OLD).await;
    let held = hold_partition_1(&mut holding).await;
    let all = heads.clone();
    let renewed = tokio::spawn(async move { renew(&mut renewing, &all, OLD.owner).await });
    log.until_waiting(1).await;
    let others = append([(heads[0], &[command(1)][..]), (heads[2], &[command(2)][..])]);
    let mut conn = log.connect().await;
    let appended =
        tokio::time::timeout(PATIENCE, others.send(&mut conn)).await.expect("not kept waiting").unwrap();
    assert_eq!(numbers(&appended.committed), [0, 2]);
    held.rollback().await.unwrap();
    assert_eq!(renewed.await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn a_take_over_that_waits_for_an_append_holds_no_head() {
    let log = log(3).await;
    let (mut holding, mut taking) = (log.connect().await, log.connect().await);
    let old = log.own(OLD).await;
    let held = hold_partition_1(&mut holding).await;
    let taken = tokio::spawn(async move { take_over(&mut taking, &[0, 1, 2], NEW).await });
    log.until_waiting(1).await;
    let others = append([(old[0], &[command(1)][..]), (old[2], &[command(2)][..])]);
    let mut conn = log.connect().await;
    let appended =
        tokio::time::timeout(PATIENCE, others.send(&mut conn)).await.expect("not kept waiting").unwrap();
    assert_eq!(appended.fenced, [0, 2], "taken already");
    held.rollback().await.unwrap();
    assert_eq!(taken.await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn a_release_does_not_wait_for_an_append() {
    let log = log(3).await;
    let mut holding = log.connect().await;
    log.own(OLD).await;
    let held = hold_partition_1(&mut holding).await;
    tokio::time::timeout(PATIENCE, release(&log.pool, &heads(&log.pool).await.unwrap(), OLD.owner))
        .await
        .expect("does not wait")
        .unwrap();
    held.rollback().await.unwrap();
    assert_eq!(numbers(&log.own(politely(NEW)).await), [0, 2]);
}

#[tokio::test]
async fn a_log_keeps_the_number_of_partitions_it_was_made_with() {
    let log = log(3).await;
    let mut conn = log.connect().await;
    assert_eq!(partitions(&log.pool).await.unwrap(), 3);
    for asked in [None, Some(3)] {
        assert_eq!(initialize(&mut conn, asked).await.unwrap(), 3);
    }
    let refused = initialize(&mut conn, Some(4)).await.unwrap_err();
    assert!(matches!(refused, HeadError::Partitions { stored: 3, asked: 4 }), "{refused:?}");
    assert_eq!(refused.to_string(), "the log has 3 partitions, which is fixed at creation; 4 were asked for");
    assert_eq!(holdfast_event_log::heads(&log.pool).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_new_log_has_the_default_number_of_partitions_and_a_name() {
    let database = holdfast_testkit::database().await;
    let pool = database.pool();
    let mut conn = pool.acquire().await.unwrap();
    assert!(matches!(partitions(&pool).await, Err(sqlx::Error::RowNotFound)));
    assert_eq!(initialize(&mut conn, None).await.unwrap(), PARTITIONS_DEFAULT);
    let heads = holdfast_event_log::heads(&pool).await.unwrap();
    assert_eq!(numbers(&heads), (0..PARTITIONS_DEFAULT).collect::<Vec<_>>());
    assert!(heads.iter().all(|h| (h.epoch, h.position) == (0, 0)));
    let named: i64 =
        sqlx::query_scalar("SELECT count(log_id) FROM log_identity").fetch_one(&pool).await.unwrap();
    assert_eq!(named, 1);
}

/// Two processes start on an empty database at once.
#[tokio::test]
async fn two_who_make_the_log_at_once_make_one() {
    let database = holdfast_testkit::database().await;
    let pool = database.pool();
    let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let (one, other) = tokio::join!(initialize(&mut one, Some(5)), initialize(&mut other, None));
    let (one, other) = match (one, other) {
        // The other was first: a log of 16, and the wish for 5 is refused.
        (Err(HeadError::Partitions { stored, asked: 5 }), other) => (stored, other.unwrap()),
        (one, other) => (one.unwrap(), other.unwrap()),
    };
    assert_eq!(one, other);
    assert_eq!(holdfast_event_log::heads(&pool).await.unwrap().len(), usize::from(one));
}
