//! What an append's error proves. All but `OutcomeUnknown` promise that nothing was written, so they may
//! only come from an answer after which the server has rolled back; everything else is an unknown
//! outcome, which is slower but never wrong.

use crate::scene::*;
use holdfast_event_log::{Append, AppendError, Head};
use sqlx::{ConnectOptions, Connection};

/// One event at the head, changed as the test likes.
fn one_event(head: Head, change: impl FnOnce(&mut holdfast_event_log::NewEvent)) -> Append {
    let mut append = Append::default();
    append.begin(head, noon());
    let mut event = event_of(command(1));
    change(&mut event);
    append.event(event).unwrap();
    append
}

fn sqlstate(error: &AppendError) -> String {
    match error {
        AppendError::Refused(sqlx::Error::Database(answer))
        | AppendError::GivenUp(sqlx::Error::Database(answer))
        | AppendError::Contradicted(sqlx::Error::Database(answer))
        | AppendError::Unwritable(sqlx::Error::Database(answer))
        | AppendError::OutcomeUnknown(sqlx::Error::Database(answer)) => answer.code().unwrap().into_owned(),
        other => panic!("no answer of the server: {other:?}"),
    }
}

#[tokio::test]
async fn what_violates_the_table_is_refused_and_writes_nothing() {
    let log = log(1).await;
    let mut conn = log.connect().await;
    let head = log.own(OLD).await[0];
    let head = append([(head, &[command(1)][..])]).send(&mut conn).await.unwrap().committed[0];

    let no_json = one_event(head, |event| "{\"broken".clone_into(&mut event.payload));
    // Another event in the place of a stream's first one: a writer whose memory is wrong. The unique
    // key is not that of the commands, so this is no repeated command.
    let same_sequence = one_event(head, |_| ());
    let error = no_json.send(&mut conn).await.unwrap_err();
    assert!(matches!(error, AppendError::Refused(_)), "{error:?}");
    assert_eq!(sqlstate(&error), "22P02");
    let error = same_sequence.send(&mut conn).await.unwrap_err();
    assert!(matches!(error, AppendError::Contradicted(_)), "{error:?}");
    assert_eq!(sqlstate(&error), "23505");
    sqlx::query("SET default_transaction_read_only = on").execute(&mut conn).await.unwrap();
    let error = one_event(head, |event| event.sequence = 2).send(&mut conn).await.unwrap_err();
    assert!(matches!(error, AppendError::Unwritable(_)), "{error:?}");
    assert_eq!(sqlstate(&error), "25006");
    assert_eq!(log.commands(0).await, [command(1)]);
    assert_eq!(log.own(OLD).await[0].position, 1);
}

#[tokio::test]
async fn a_statement_that_ran_out_of_time_is_given_up_and_writes_nothing() {
    let log = log(1).await;
    let (mut conn, mut holding) = (log.connect().await, log.connect().await);
    let head = log.own(OLD).await[0];
    let mut held = holding.begin().await.unwrap();
    sqlx::query("SELECT FROM log_heads FOR UPDATE").execute(&mut *held).await.unwrap();
    sqlx::query("SET statement_timeout = '50ms'").execute(&mut conn).await.unwrap();
    let error = append([(head, &[command(1)][..])]).send(&mut conn).await.unwrap_err();
    assert!(matches!(error, AppendError::GivenUp(_)), "{error:?}");
    assert_eq!(sqlstate(&error), "57014");
    held.rollback().await.unwrap();
    assert_eq!(log.chain(0).await, []);
}

#[tokio::test]
async fn a_repeated_command_is_told_from_other_refusals() {
    let log = log(1).await;
    let mut conn = log.connect().await;
    let head = log.own(OLD).await[0];
    let head = append([(head, &[command(1)][..])]).send(&mut conn).await.unwrap().committed[0];
    let error = append([(head, &[command(2), command(1)][..])]).send(&mut conn).await.unwrap_err();
    assert!(matches!(error, AppendError::DuplicateCommand), "{error:?}");
}

/// The administrator's kill reaches the backend in the middle of the statement. Here it is rolled
/// back; had it come a moment later, it would have committed, with the same answer.
#[tokio::test]
async fn a_backend_that_is_killed_proves_nothing() {
    let log = log(1).await;
    let (mut conn, mut holding) = (log.connect().await, log.connect().await);
    let head = log.own(OLD).await[0];
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut conn).await.unwrap();
    let mut held = holding.begin().await.unwrap();
    sqlx::query("SELECT FROM log_heads FOR UPDATE").execute(&mut *held).await.unwrap();
    let appending = tokio::spawn(async move { append([(head, &[command(1)][..])]).send(&mut conn).await });
    log.until_waiting(1).await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(backend).execute(&mut *held).await.unwrap();
    let error = appending.await.unwrap().unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(sqlstate(&error), "57P01");
}

/// Whatever its SQLSTATE: an answer that ends the connection is no ERROR of the statement. (A real one:
/// the server that panics because it cannot flush its WAL may find the commit there when it recovers.)
#[tokio::test]
async fn an_answer_that_ends_the_connection_proves_nothing() {
    let log = log(1).await;
    let options = log.database.connect_options().database("no_such_database");
    let error = AppendError::from(options.connect().await.unwrap_err());
    assert!(matches!(error, AppendError::OutcomeUnknown(_)), "{error:?}");
    assert_eq!(sqlstate(&error), "3D000");
}

#[tokio::test]
async fn a_connection_that_is_gone_proves_nothing() {
    let log = log(1).await;
    let head = log.own(OLD).await[0];
    let proxy = log.database.proxy();
    let mut conn = proxy.connect_options().connect().await.unwrap();
    proxy.cut();
    let error = append([(head, &[command(1)][..])]).send(&mut conn).await.unwrap_err();
    assert!(matches!(error, AppendError::OutcomeUnknown(sqlx::Error::Io(_))), "{error:?}");
}
