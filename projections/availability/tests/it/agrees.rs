//! The read model and the aggregate, fed with the same random history, agree in every count.

use holdfast_availability::{Availability, find};
use holdfast_projector::{
    LogSource, Positions, Projector, rebuild,
    testing::{Market, Sliced, TestLog, drain, rows},
};
use holdfast_testkit::database;

/// Partitions fewer than inventories, so that streams share one.
const PARTITIONS: u16 = 3;

#[tokio::test]
async fn counts_are_the_aggregates_counts_whatever_the_batches_were() {
    for (seed, batch) in [(1, 1), (2, 7), (3, 64), (4, 1_000)] {
        let db = database().await;
        let pool = db.pool();
        let mut market = Market::new(seed, 8);
        let mut log = TestLog::create(&pool, PARTITIONS).await;
        log.append(&market.history(400)).await;
        drain::<Availability>(&pool, Sliced { source: LogSource::new(&pool), at_most: batch }).await;
        for (id, aggregate) in market.inventories() {
            let Some(terms) = aggregate.terms() else { continue };
            let row = find(&pool, *id).await.unwrap().expect("it is opened");
            assert_eq!(row.counts, *aggregate.counts(), "seed {seed}, batches of {batch}");
            assert_eq!((&row.subject, row.price, row.policy), (&terms.subject, terms.price, terms.policy));
            assert_eq!(row.terms_version, terms.version);
            assert_eq!(row.as_of.log_partition, id.log_partition(PARTITIONS));
            assert!(row.last_event.position <= row.as_of.position);
        }
    }
}

#[tokio::test]
async fn a_rebuild_gives_the_same_rows_as_small_batches_did() {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(5, 8);
    let mut log = TestLog::create(&pool, PARTITIONS).await;
    for _ in 0..10 {
        log.append(&market.history(40)).await;
        drain::<Availability>(&pool, Sliced { source: LogSource::new(&pool), at_most: 9 }).await;
    }
    let before = rows::<Availability>(&pool).await;
    let rebuilt = rebuild::<Availability>(&pool, false, |_| ()).await.unwrap();
    assert!(rebuilt.compared && rebuilt.switched && rebuilt.differences.is_empty(), "{rebuilt:?}");
    assert_eq!(before, rows::<Availability>(&pool).await);
}

/// One event at a time, by a projector that does not know how far the other is.
#[tokio::test]
async fn a_projector_that_was_overtaken_changes_no_row() {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(6, 2);
    let mut log = TestLog::create(&pool, 1).await;
    log.append(&market.history(20)).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let late = Sliced { source: LogSource::new(&pool), at_most: 1 };
    let mut late = Projector::<Availability, _>::new(&pool, late, Positions::of::<Availability>(&pool));
    late.run_once().await.unwrap();
    log.append(&market.history(20)).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let before = rows::<Availability>(&pool).await;
    assert_eq!(late.run_once().await.unwrap().events, 0);
    assert_eq!(rows::<Availability>(&pool).await, before);
}
