//! Connections, processes and servers that fail.

use crate::rig::{
    PARTITIONS, PATIENCE, Rig, config, events, noon, open, open_apart, policy, reserve, reserve_one,
    writer_on,
};
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine, StoppedClock};
use holdfast_domain::InventoryId;
use holdfast_event_log as log;
use holdfast_testkit::{cluster, eventually};
use holdfast_writer::{ExecuteError, WriterConfig};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// Postgres commits, the answer is lost with the connection. Sent again, the booking would be there
/// twice; given up, the client would be told that nothing is known although it can be known.
#[tokio::test]
async fn the_connection_dies_after_commit_and_the_client_gets_the_stored_answer_once() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    rig.writer.shutdown().await;
    let proxy = rig.db.proxy();
    let writer = writer_on(&rig.pool, proxy.connect_options(), &rig.clock, config()).await;
    writer.inventory(id).await.unwrap();
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO events"));
    let booking = Machine.new_id();
    let answer = writer.execute(reserve(id, booking, 2)).await.expect("the log knows");
    assert_eq!(proxy.losses(), 1, "the answer was lost");
    assert_eq!(answer.booking.unwrap().quantity, 2);
    assert_eq!(rig.events().await, 2);
    assert_eq!(answer.counts.held, 2);
}

/// The same, but the statement never reached the server: it is decided again, once.
#[tokio::test]
async fn the_connection_dies_before_the_append_arrives_and_it_is_written_once() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    rig.writer.shutdown().await;
    let proxy = rig.db.proxy();
    let writer = writer_on(&rig.pool, proxy.connect_options(), &rig.clock, config()).await;
    writer.inventory(id).await.unwrap();
    proxy.cut();
    writer.execute(reserve(id, Machine.new_id(), 2)).await.expect("it is decided again");
    assert_eq!(rig.events().await, 2);
}

/// Two processes own the same partitions, one after the other. The first must notice before it answers.
#[tokio::test]
async fn a_deposed_writer_acknowledges_nothing_and_the_log_keeps_one_chain() {
    let rig = Rig::new().await;
    let ids = join_all((0..8).map(|_| open(&rig.writer, 10_000, policy(0)))).await;
    let rival = writer_on(&rig.pool, rig.db.connect_options(), &rig.clock, config()).await;
    let answers = join_all((0..400).map(|i| {
        let writer = if i % 2 == 0 { &rig.writer } else { &rival };
        reserve_one(writer, ids[i % ids.len()])
    }))
    .await;
    let accepted = answers.iter().filter(|a| a.is_ok()).count();
    assert!(accepted >= 200, "the rival owns the log: {accepted}");
    assert_eq!(rig.events().await, i64::try_from(accepted).unwrap() + 8, "answered = stored");
    for head in log::heads(&rig.pool).await.unwrap() {
        let at = log::LogPosition { log_partition: head.log_partition, position: 0 };
        let page = log::read_raw_after(&rig.pool, at, 10_000).await.unwrap();
        assert!(page.iter().zip(1..).all(|(event, position)| event.at.position == position));
        assert_eq!(page.len(), usize::try_from(head.position).unwrap());
    }
}

/// One partition of the statement is taken away by another process; the others commit.
#[tokio::test]
async fn a_fenced_partition_takes_no_other_partitions_commands_with_it() {
    let rig = Rig::with(WriterConfig { flushers: 1, ..config() }).await;
    let ids = open_apart(&rig.writer, 3, 10).await;
    let [stolen, other, busy] = [ids[0], ids[1], ids[2]];
    let number = |id: InventoryId| i16::try_from(id.log_partition(PARTITIONS)).unwrap();
    let thief = log::Claim { owner: Machine.new_id(), owner_address: "127.0.0.1:2", force: true };
    log::take_over(&mut rig.pool.acquire().await.unwrap(), &[number(stolen)], thief).await.unwrap();
    let mut committed = rig.writer.committed();

    // The flusher is kept busy with a third partition, so that both commands gather for its next statement.
    let mut lock = rig.pool.begin().await.unwrap();
    let sql = "SELECT FROM log_heads WHERE log_partition = $1 FOR UPDATE";
    sqlx::query(sql).bind(number(busy)).execute(&mut *lock).await.unwrap();
    let waits = async || {
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                                  AND wait_event_type = 'Lock')";
        sqlx::query_scalar(sql).fetch_one(&rig.pool).await.unwrap()
    };
    let (first, (fenced, other, ())) = tokio::join!(reserve_one(&rig.writer, busy), async {
        eventually(PATIENCE, "the append waits for the row", waits).await;
        let unlock = async { lock.rollback().await.unwrap() };
        tokio::join!(reserve_one(&rig.writer, stolen), reserve_one(&rig.writer, other), unlock)
    });
    assert_eq!(fenced.unwrap_err(), ExecuteError::Unavailable);
    let at = other.unwrap().at;
    let told: Vec<_> = [committed.recv().await.unwrap(), committed.recv().await.unwrap()]
        .iter()
        .map(|events| events.iter().map(|event| event.at).collect::<Vec<_>>())
        .collect();
    assert_eq!(told, [vec![first.unwrap().at], vec![at]], "what was fenced did not commit");
}

/// Postgres refuses every event of one inventory (a constraint, a bug of ours, a full tablespace). The
/// commands that shared its statement must come through; only its own are refused.
#[tokio::test]
async fn an_append_that_postgres_refuses_harms_only_its_own_partition() {
    let rig = Rig::with(WriterConfig { flushers: 1, ..config() }).await;
    let ids = open_apart(&rig.writer, 2, 100).await;
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.aggregate_id = '{}' THEN RAISE 'refused'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse();",
        ids[0]
    );
    sqlx::raw_sql(&refuse).execute(&rig.pool).await.unwrap();
    let answers = join_all((0..40).map(|i| reserve_one(&rig.writer, ids[i % 2]))).await;
    for (i, answer) in answers.iter().enumerate() {
        match i % 2 {
            0 => assert_eq!(answer.as_ref().unwrap_err(), &ExecuteError::Unavailable),
            _ => assert!(answer.is_ok(), "{answer:?}"),
        }
    }
    sqlx::raw_sql("DROP TRIGGER refuse ON events").execute(&rig.pool).await.unwrap();
    eventually(PATIENCE, "it goes on", async || reserve_one(&rig.writer, ids[0]).await.is_ok()).await;
    assert_eq!(
        rig.writer.inventory(ids[0]).await.unwrap().counts.confirmed,
        1,
        "memory is what the log says"
    );
}

/// A command that another partition accepted under the same id aborts the statement; the rest of the
/// batch must come through, and memory must be what the log says.
#[tokio::test]
async fn a_repeated_command_in_a_batch_harms_only_itself() {
    let rig = Rig::with(WriterConfig { flushers: 1, ..config() }).await;
    let (a, b) = (open(&rig.writer, 100, policy(60)).await, open(&rig.writer, 100, policy(60)).await);
    let used = Machine.new_id();
    rig.writer.execute(reserve(a, used, 3)).await.unwrap();
    let mut asks = vec![reserve(b, used, 1)];
    asks.extend((0..50).map(|_| reserve(b, Machine.new_id(), 1)));
    let answers = join_all(asks.into_iter().map(|ask| rig.writer.execute(ask))).await;
    assert_eq!(answers[0].as_ref().unwrap_err(), &ExecuteError::KeyReused);
    assert!(answers[1..].iter().all(Result::is_ok));
    assert_eq!(rig.writer.inventory(b).await.unwrap().counts.held, 50);
    assert_eq!(rig.writer.inventory(a).await.unwrap().counts.held, 3);
}

/// Postgres hangs: its connections stay open and nothing comes. Whoever waits is told within a second or
/// so, and when it goes on, what was sent has one effect.
#[tokio::test]
async fn a_postgres_that_falls_silent_keeps_nobody_waiting() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    rig.writer.shutdown().await;
    let proxy = rig.db.proxy();
    let writer = writer_on(&rig.pool, proxy.connect_options(), &rig.clock, config()).await;
    writer.inventory(id).await.unwrap();
    proxy.stall();
    let booking = Machine.new_id();
    let asked = Instant::now();
    let error = writer.execute(reserve(id, booking, 2)).await.expect_err("no answer without a log");
    assert_eq!(error, ExecuteError::OutcomeUnknown);
    println!("told after {:?}", asked.elapsed());
    assert!(asked.elapsed() < PATIENCE / 2, "not the whole of answer_within");
    let next = writer.execute(reserve(id, Machine.new_id(), 1)).await.expect_err("and later ones at once");
    assert_eq!(next, ExecuteError::Unavailable);
    proxy.pass();
    eventually(PATIENCE, "it goes on", async || writer.execute(reserve(id, booking, 2)).await.is_ok()).await;
    assert_eq!(rig.events().await, 2);
}

/// Kill -9 of Postgres: nothing is acknowledged, everyone is told within a second, and after its
/// return the writer goes on by itself with nothing lost and nothing doubled.
#[tokio::test]
async fn postgres_dies_and_returns() {
    let mut server = cluster().await;
    let db = server.database().await;
    let pool = db.pool();
    log::initialize(&mut pool.acquire().await.unwrap(), Some(4)).await.unwrap();
    let clock = StoppedClock::at(noon());
    let config = WriterConfig { answer_within: Duration::from_secs(1), ..config() };
    let writer = writer_on(&pool, db.connect_options(), &clock, config).await;
    let id = open(&writer, 1_000, policy(0)).await;
    let keys: Vec<Uuid> = (0..100).map(|_| Machine.new_id()).collect();
    let send = |key: Uuid| writer.execute(reserve(id, key, 1));
    assert!(join_all(keys[..50].iter().map(|k| send(*k))).await.iter().all(Result::is_ok));
    server.kill();
    // A backend may outlive its postmaster for a moment and commit: such an answer is as good as any.
    let mut keys_used = 50;
    let refused = loop {
        let asked = Instant::now();
        let answer = timeout(PATIENCE, send(keys[keys_used])).await.expect("an answer comes");
        keys_used += 1;
        if let Err(error) = answer {
            println!("refused within {:?}", asked.elapsed());
            break error;
        }
    };
    assert!(matches!(refused, ExecuteError::Unavailable | ExecuteError::OutcomeUnknown), "{refused:?}");
    let next = send(keys[keys_used]).await.expect_err("nothing is acknowledged without a log");
    assert!(matches!(next, ExecuteError::Unavailable | ExecuteError::OutcomeUnknown), "{next:?}");
    server.start_again().await;
    for key in &keys {
        eventually(PATIENCE, "the writer returns by itself", async || send(*key).await.is_ok()).await;
    }
    assert_eq!(events(&pool).await, 101, "each key has one effect");
    assert_eq!(writer.inventory(id).await.unwrap().counts.confirmed, 100);
}
