//! Several projectors, one read of the log.

use crate::tally::{Tally, append, counts, tamper};
use holdfast_event_log::{LogPosition, Recorded};
use holdfast_projector::{LogSource, Positions, Projector, SharedLog, Source, SourceError, testing::TestLog};
use holdfast_testkit::{database, eventually};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast;

/// Patience of the tests: a slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(20);

async fn read(source: &mut impl Source, after: &[i64], limit: usize) -> Result<Vec<Recorded>, SourceError> {
    let places = (0..).zip(after).map(|(log_partition, at)| LogPosition { log_partition, position: *at });
    source.read(&places.collect::<Vec<_>>(), limit).await
}

/// The event is changed in the log after the first has read it: who gets the old one was given it.
#[tokio::test]
async fn what_one_has_read_is_given_to_the_others() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 3).await;
    append(&mut log, 1, 2).await;
    let (mut first, mut second) = (SharedLog::new(&pool), SharedLog::new(&pool));
    let mut shared = first.clone();
    let events = read(&mut first, &[0, 0], 100).await.unwrap();
    assert_eq!(events.len(), 5);
    tamper(&pool, "UPDATE events SET recorded_at = recorded_at + interval '1 day'").await;
    assert_eq!(read(&mut shared, &[0, 0], 100).await.unwrap(), events);
    assert_eq!(read(&mut shared, &[2, 0], 2).await.unwrap(), [events[2].clone(), events[3].clone()]);
    assert_ne!(read(&mut second, &[0, 0], 100).await.unwrap(), events, "the log itself has changed");
}

/// Places before, in and after what is kept, one by one and mixed: the same events as from the log.
#[tokio::test]
async fn whoever_asks_from_anywhere_gets_what_the_log_has() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    let (mut shared, mut plain) = (SharedLog::new(&pool), LogSource::new(&pool));
    for round in 1..=4 {
        append(&mut log, 0, 3).await;
        append(&mut log, 1, round).await;
        // It begins in the middle, so that there is something before it.
        read(&mut shared, &[2, 1], 4).await.unwrap();
        let heads = log.heads();
        for (a, b) in (0..=heads[0]).flat_map(|a| (0..=heads[1]).map(move |b| (a, b))) {
            // One answer may be less than all there is; asking on from it must lead to the end.
            let (mut at, mut got) = ([a, b], vec![]);
            loop {
                let events = read(&mut shared, &at, 100).await.unwrap();
                if events.is_empty() {
                    break;
                }
                for event in &events {
                    let place = &mut at[usize::from(event.at.log_partition)];
                    assert_eq!(event.at.position, *place + 1);
                    *place += 1;
                }
                got.extend(events);
            }
            let mut expected = read(&mut plain, &[a, b], 100).await.unwrap();
            got.sort_by_key(|event| (event.at.log_partition, event.at.position));
            expected.sort_by_key(|event| (event.at.log_partition, event.at.position));
            assert_eq!(got, expected, "after {a} and {b}");
        }
    }
}

/// The events that the writer hands over are not in this log at all: nothing was read.
#[tokio::test]
async fn what_the_writer_commits_is_not_read_again() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 2).await;
    let (writer, committed) = broadcast::channel(8);
    let mut shared = SharedLog::following(&pool, committed);
    let mut events = read(&mut shared, &[0, 0], 100).await.unwrap();
    // Now and then the log is read all the same, and has nothing.
    eventually(PATIENCE, "they are given from memory", async || {
        events.iter_mut().for_each(|event| event.at.position += 2);
        writer.send(Arc::new(events.clone())).unwrap();
        let after = events[0].at.position - 1;
        read(&mut shared, &[after, 0], 100).await.unwrap() == events
            && read(&mut shared.clone(), &[after + 1, 0], 100).await.unwrap() == events[1..]
    })
    .await;
}

/// Commits get lost when nobody comes for them, and another process's are not handed over. The partition has
/// no later event that would show the hole, and others go on all the time.
#[tokio::test]
async fn what_the_writer_did_not_hand_over_is_found_in_the_log() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    let (writer, committed) = broadcast::channel(1);
    let mut shared = SharedLog::following(&pool, committed);
    let (mut plain, mut at) = (LogSource::new(&pool), [0, 0]);
    append(&mut log, 1, 1).await;
    at[1] = read(&mut shared, &at, 100).await.unwrap()[0].at.position;
    append(&mut log, 0, 1).await;
    eventually(PATIENCE, "the lost event", async || {
        let heads = log.heads();
        append(&mut log, 1, 1).await;
        writer.send(Arc::new(read(&mut plain, &[1, heads[1]], 1).await.unwrap())).unwrap();
        for event in read(&mut shared, &at, 100).await.unwrap() {
            at[usize::from(event.at.log_partition)] = event.at.position;
        }
        at[0] == 1
    })
    .await;
}

/// More events than are kept, by a projector that is behind and one that is not.
#[tokio::test]
async fn a_projector_far_behind_reads_for_itself() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    let mut shared = SharedLog::new(&pool);
    for _ in 0..5 {
        append(&mut log, 0, 1_000).await;
        let head = log.heads()[0];
        assert_eq!(read(&mut shared, &[head - 1_000], 1_000).await.unwrap().len(), 1_000);
    }
    let mut projector = Projector::<Tally, _>::new(&pool, shared, Positions::of::<Tally>(&pool));
    while projector.run_once().await.unwrap().events > 0 {}
    assert_eq!(counts(&pool).await, [5_000]);
}

/// What is kept has no hole: a reader far ahead replaces it.
#[tokio::test]
async fn a_reader_far_ahead_leaves_no_hole_behind() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 9).await;
    let mut shared = SharedLog::new(&pool);
    read(&mut shared, &[0], 2).await.unwrap();
    read(&mut shared, &[5], 100).await.unwrap();
    let positions = read(&mut shared, &[0], 100).await.unwrap().into_iter().map(|event| event.at.position);
    assert_eq!(positions.collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
}
