//! The connection dies around the commit. Nobody knows whether the append is in the log; it is never
//! sent again. Taking over settles it, the log answers, and the client's command has one effect.
//!
//! Interleavings, seen from the server
//! - committed, and the answer is lost: found after the take-over. Re-sent, it would be there twice.
//! - the request is lost: not found; decided anew, it is there once.
//! - still running when its client is gone: taking over waits for its end, then finds it. If it did
//!   not wait, the command would be decided anew while the first append is about to land.
//! - not yet arrived when the partition is taken over: it arrives and writes nothing.

use crate::scene::*;
use holdfast_event_log::{AppendError, Head, LogPosition, find_commands};
use sqlx::{Connection, PgConnection, PgPool};
use std::sync::Arc;

/// What the log answers for command 1: its fingerprint and where its event stands.
async fn answer(pool: &PgPool) -> Option<LogPosition> {
    let found = find_commands(pool, &[command(1)]).await.unwrap();
    assert!(found.len() <= 1);
    found.first().map(|stored| {
        assert_eq!(stored.fingerprint, fingerprint_of(command(1)));
        assert_eq!(stored.answer.inventory_id.0, command(1));
        stored.answer.at
    })
}

const FIRST: LogPosition = LogPosition { log_partition: 0, position: 1 };

fn is_the_append(sql: &str) -> bool {
    sql.contains("INSERT INTO events")
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_found_once_and_never_lands_again() {
    let log = log(1).await;
    let old = log.own(OLD).await[0];
    let proxy = log.database.proxy();
    let mut cut = PgConnection::connect_with(&proxy.connect_options()).await.unwrap();
    proxy.lose_next_answer(is_the_append);
    let batch = append([(old, &[command(1)][..])]);
    let error = batch.send(&mut cut).await.unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(proxy.losses(), 1, "the server did answer");

    let new = log.own(OLD).await[0];
    assert_eq!(new, Head { epoch: old.epoch + 1, position: 1, ..old });
    assert_eq!(answer(&log.pool).await, Some(FIRST));
    // A copy of the old append, however it comes to be sent, is fenced.
    assert_eq!(batch.send(&mut log.connect().await).await.unwrap().fenced, [0]);
    assert_eq!(log.commands(0).await, [command(1)]);
}

#[tokio::test]
async fn an_append_whose_request_is_lost_is_not_found_and_is_decided_anew_once() {
    let log = log(1).await;
    let old = log.own(OLD).await[0];
    let proxy = log.database.proxy();
    let mut cut = PgConnection::connect_with(&proxy.connect_options()).await.unwrap();
    proxy.lose_requests(is_the_append);
    let error = append([(old, &[command(1)][..])]).send(&mut cut).await.unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(proxy.losses(), 1);

    let new = log.own(OLD).await[0];
    assert_eq!(new.position, 0);
    assert_eq!(answer(&log.pool).await, None);
    let appended = append([(new, &[command(1)][..])]).send(&mut log.connect().await).await.unwrap();
    assert_eq!(appended.committed, [Head { position: 1, ..new }]);
    assert_eq!(answer(&log.pool).await, Some(FIRST));
    assert_eq!(log.commands(0).await, [command(1)]);
}

/// The append hangs in the server, on a row that another transaction holds, when its client goes away.
#[tokio::test]
async fn an_append_that_outlives_its_connection_is_waited_for_and_found() {
    let log = Arc::new(log(1).await);
    let old = log.own(OLD).await[0];
    let proxy = log.database.proxy();
    let mut cut = PgConnection::connect_with(&proxy.connect_options()).await.unwrap();
    // Else the server may notice within seconds that the client is gone, and give up.
    sqlx::query("SET client_connection_check_interval = 0").execute(&mut cut).await.unwrap();
    let mut holding = log.connect().await;
    let mut held = holding.begin().await.unwrap();
    let same_key = "INSERT INTO commands VALUES ($1, $1, 0, 0)";
    sqlx::query(same_key).bind(command(1)).execute(&mut *held).await.unwrap();
    let appending = tokio::spawn(async move { append([(old, &[command(1)][..])]).send(&mut cut).await });
    log.until_waiting(1).await;
    proxy.cut();
    let error = appending.await.unwrap().unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(answer(&log.pool).await, None, "it has not landed yet");

    let taking = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.own(OLD).await[0] }
    });
    log.until_waiting(2).await;
    held.rollback().await.unwrap();
    assert_eq!(taking.await.unwrap(), Head { epoch: old.epoch + 1, position: 1, ..old });
    assert_eq!(answer(&log.pool).await, Some(FIRST));
    assert_eq!(log.commands(0).await, [command(1)]);
}

#[tokio::test]
async fn an_append_that_arrives_after_the_take_over_writes_nothing() {
    let log = log(1).await;
    let old = log.own(OLD).await[0];
    let proxy = log.database.proxy();
    let mut slow = PgConnection::connect_with(&proxy.connect_options()).await.unwrap();
    proxy.stall();
    let sending = tokio::spawn(async move { append([(old, &[command(1)][..])]).send(&mut slow).await });
    let new = log.own(NEW).await[0];
    assert_eq!(answer(&log.pool).await, None);
    append([(new, &[command(1)][..])]).send(&mut log.connect().await).await.unwrap();
    proxy.pass();
    assert_eq!(sending.await.unwrap().unwrap().fenced, [0]);
    assert_eq!(log.commands(0).await, [command(1)]);
}
