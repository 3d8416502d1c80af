//! What is owed to whom: exactly the events from its registration on.

use crate::{
    receiver::Receiver,
    rig::{PATIENCE, Rig, config},
};
use chrono::TimeDelta;
use holdfast_event_log::LogPosition;
use holdfast_notifier::{
    EndpointError, EventKind, FromPosition, Notices, Notifier, NotifierParts, begin_from, create, delete,
    endpoints,
};
use holdfast_projector::{
    BeginError, Freed, LogSource, Positions, Projection as _, Projector, State, parked, retry,
};
use holdfast_testkit::eventually;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const SOLD: &[EventKind] = &[EventKind::BookingConfirmed];

#[tokio::test]
async fn history_is_not_replayed() {
    let rig = Rig::new().await;
    rig.sell(5).await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    assert_eq!(rig.deliver().await, 0);
    rig.sell(2).await;
    assert_eq!(rig.deliver().await, 2);
}

/// However far behind the notifier is when it is registered.
#[tokio::test]
async fn an_endpoint_gets_what_happens_after_it_was_made_and_nothing_before() {
    let rig = Rig::new().await;
    let (early, late) = (Receiver::good().await, Receiver::good().await);
    rig.register(&early, SOLD).await;
    rig.sell(3).await;
    rig.register(&late, SOLD).await;
    rig.sell(2).await;
    assert_eq!(rig.deliver().await, 7);
    assert_eq!((early.ids().len(), late.ids().len()), (5, 2));
}

/// It is registered before any notifier has run; the first one runs later.
#[tokio::test]
async fn nothing_is_lost_between_a_registration_and_the_first_run_of_a_notifier() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.sell(4).await;
    assert_eq!(rig.deliver().await, 4);
    assert_eq!(rig.deliver().await, 0);
}

#[tokio::test]
async fn a_notifier_begins_where_it_is_told_and_nothing_comes_twice() {
    let rig = Rig::new().await;
    rig.sell(5).await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    assert_eq!(rig.deliver().await, 1);
    begin_from(&rig.pool, &FromPosition::All).await.unwrap();
    assert_eq!(rig.deliver().await, 5);
    begin_from(&rig.pool, &FromPosition::All).await.unwrap();
    assert_eq!(rig.deliver().await, 0, "what was delivered is not owed again");
    assert_eq!((receiver.got().len(), receiver.ids().len()), (6, 6));
}

#[tokio::test]
async fn only_the_partitions_that_are_named_begin_anew() {
    let rig = Rig::new().await;
    rig.sell(6).await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.queue().await;
    let sql = "SELECT log_partition, position FROM log_heads WHERE position > 0";
    let (partition, head): (i16, i64) = sqlx::query_as(sql).fetch_one(&rig.pool).await.unwrap();
    let at = |position| LogPosition { log_partition: partition.cast_unsigned(), position };
    begin_from(&rig.pool, &FromPosition::At(vec![at(head - 1)])).await.unwrap();
    assert_eq!(rig.deliver().await, 2, "the last two of its events");

    for (first, says) in [
        (vec![at(0)], "can be begun at 1"),
        (vec![at(head + 2)], "can be begun at 1"),
        (vec![LogPosition { log_partition: 99, position: 1 }], "partitions 0 to 3"),
        (vec![at(1), at(2)], "named twice"),
    ] {
        let refused = begin_from(&rig.pool, &FromPosition::At(first)).await.unwrap_err();
        assert!(
            !matches!(refused, BeginError::Database(_)) && refused.to_string().contains(says),
            "{refused}"
        );
    }
    begin_from(&rig.pool, &FromPosition::At(vec![at(head + 1)])).await.unwrap();
    assert_eq!(rig.deliver().await, 0, "refused places changed nothing");
}

/// Checkpoints of another log stop the inlet, which says what to do, and that helps. What is queued is sent meanwhile.
#[tokio::test]
async fn checkpoints_of_another_log_are_refused_until_somebody_says_where_to_begin() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.sell(3).await;
    rig.queue().await;
    sqlx::query("UPDATE notifier.origin SET log_id = gen_random_uuid()").execute(&rig.pool).await.unwrap();
    let parts = NotifierParts {
        ambient: Arc::new(rig.clock.clone()),
        key: rig.key.clone(),
        deliver: config(),
        mail: None,
    };
    let notifier = Notifier::new(&rig.pool, LogSource::new(&rig.pool), parts).unwrap();
    let (mut status, stop) = (notifier.status(), CancellationToken::new());
    let running = tokio::spawn(notifier.keep_running(None, stop.clone()));
    let stopped =
        status.wait_for(|status| matches!(status.state, State::Stopped { .. })).await.unwrap().clone();
    assert!(format!("{:?}", stopped.state).contains("--from-position"), "{stopped:?}");
    receiver.gets(3).await;
    rig.sell(1).await;
    begin_from(&rig.pool, &FromPosition::All).await.unwrap();
    receiver.gets(4).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!((receiver.got().len(), receiver.ids().len()), (4, 4), "each once");
}

/// Queue and checkpoint move in one statement, and a row that the tables refuse parks its stream: nothing of it is queued
/// from there on, everything else is, and nothing is lost.
#[tokio::test]
async fn an_event_that_cannot_be_queued_parks_its_stream_and_is_queued_when_it_can_be() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.sell(4).await;
    let third = "SELECT log_partition FROM events WHERE position = 3";
    let partition: i16 = sqlx::query_scalar(third).fetch_one(&rig.pool).await.unwrap();
    let refuse = format!(
        "ALTER TABLE webhook_deliveries ADD CONSTRAINT refuse CHECK (log_partition <> {partition} OR position <> 3)"
    );
    sqlx::query(&refuse).execute(&rig.pool).await.unwrap();
    rig.sell(2).await;
    let positions = Positions::of::<Notices>(&rig.pool);
    let mut projector = Projector::<Notices, _>::new(&rig.pool, LogSource::new(&rig.pool), positions);
    while projector.run_once().await.unwrap().more {}
    let (name, heads) = (Notices::NAME, "SELECT sum(position)::bigint FROM log_heads");
    let waiting = parked(&rig.pool, name, 10).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].at.position, waiting[0].events), (1, 3, 3));
    assert!(waiting[0].reason.as_ref().unwrap().contains("refuse"), "{waiting:?}");
    let read = format!("SELECT sum(position)::bigint FROM {}.checkpoints", Notices::schema());
    let read: i64 = sqlx::query_scalar(&read).fetch_one(&rig.pool).await.unwrap();
    let end: i64 = sqlx::query_scalar(heads).fetch_one(&rig.pool).await.unwrap();
    assert_eq!((rig.deliver().await, read), (3, end), "the one before it, and two of another stream");

    sqlx::query("ALTER TABLE webhook_deliveries DROP CONSTRAINT refuse").execute(&rig.pool).await.unwrap();
    let freed = retry::<Notices>(&rig.pool, None).await.unwrap();
    assert_eq!(freed, Freed { streams: 1, events: 3, waiting: 0 });
    assert_eq!(rig.deliver().await, 3);
    assert_eq!((receiver.got().len(), receiver.ids().len()), (6, 6), "each once");
}

#[tokio::test]
async fn a_deleted_endpoint_is_sent_nothing_and_its_queue_is_swept() {
    let rig = Rig::new().await;
    let (stays, goes) = (Receiver::good().await, Receiver::good().await);
    rig.register(&stays, SOLD).await;
    let gone = rig.register(&goes, SOLD).await;
    rig.sell(3).await;
    rig.queue().await;
    let now = holdfast_ambient::Ambient::now(&rig.clock);
    delete(&rig.pool, gone.id, now).await.unwrap();
    assert!(matches!(delete(&rig.pool, gone.id, now).await, Err(EndpointError::Unknown)));
    assert_eq!((rig.deliver().await, goes.got().len()), (3, 0));
    assert_eq!(endpoints(&rig.pool).await.unwrap().len(), 1);
    let swept = holdfast_notifier::sweep(&rig.pool, now + chrono::TimeDelta::hours(2)).await;
    let swept: u64 = swept.into_iter().map(|(_, rows)| rows.unwrap()).sum();
    assert_eq!((swept, rig.owed().await), (4, 3), "its three deliveries and itself");
}

#[tokio::test]
async fn there_is_a_bound_on_endpoints() {
    let rig = Rig::new().await;
    for _ in 0..holdfast_notifier::ENDPOINTS_MAX {
        rig.register_url("https://example.org/", SOLD).await;
    }
    let one_more = holdfast_notifier::NewEndpoint {
        endpoint_id: uuid::Uuid::from_u128(1),
        url: "https://example.org/".to_owned(),
        event_types: SOLD.to_vec(),
    };
    let refused = create(&rig.pool, &rig.key, &one_more, crate::rig::noon()).await;
    assert!(matches!(refused, Err(EndpointError::TooMany)));
}

/// The whole of it, as a process runs it: from the commit to the receiver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_notifier_sends_what_is_committed() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    let parts = NotifierParts {
        ambient: Arc::new(rig.clock.clone()),
        key: rig.key.clone(),
        deliver: config(),
        mail: None,
    };
    let notifier = Notifier::new(&rig.pool, LogSource::new(&rig.pool), parts).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(notifier.keep_running(Some(rig.writer.commits()), stop.clone()));
    rig.sell(20).await;
    receiver.gets(20).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!((receiver.got().len(), receiver.ids().len()), (20, 20));
    eventually(PATIENCE, "all of it is recorded", async || {
        let sql = "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&rig.pool).await.unwrap() == 20
    })
    .await;
}

/// A clock that was ahead delays neither webhook nor mail.
#[tokio::test]
async fn what_happened_at_a_time_that_has_not_come_is_due_at_once() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, SOLD).await;
    rig.later(TimeDelta::days(100 * 365));
    rig.sell(1).await;
    rig.queue().await;
    let due = "SELECT bool_and(recorded_at > now() AND next_attempt_at <= now()) FROM webhook_deliveries";
    assert_eq!(sqlx::query_scalar(due).fetch_one(&rig.pool).await.ok(), Some(true));
}
