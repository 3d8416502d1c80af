//! What a command that was not accepted is told: "nothing was done" only where that is so.

use crate::rig::{
    PARTITIONS, PATIENCE, Rig, ask, config, confirm, open, policy, reserve, reserve_one, writer_on,
};
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{CloseSales, InventoryCommand, InventoryId};
use holdfast_testkit::{Proxy, eventually};
use holdfast_writer::{Ask, ExecuteError, Writer, WriterConfig};
use sqlx::{ConnectOptions, postgres::PgPoolOptions};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A writer whose appends and whose loads can fail apart from each other.
struct Apart {
    rig: Rig,
    appends: Proxy,
    loads: Proxy,
    writer: Writer,
}

impl Apart {
    /// Restarts the rig's writer behind two proxies.
    async fn of(rig: Rig, config: WriterConfig) -> Self {
        rig.writer.shutdown().await;
        let (appends, loads) = (rig.db.proxy(), rig.db.proxy());
        let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).connect_with(loads.connect_options());
        let pool = pool.await.unwrap();
        let writer = writer_on(&pool, appends.connect_options(), &rig.clock, config).await;
        Self { rig, appends, loads, writer }
    }

    fn spawn(&self, ask: Ask) -> JoinHandle<Result<(), ExecuteError>> {
        let writer = self.writer.clone();
        tokio::spawn(async move { writer.execute(ask).await.map(drop) })
    }
}

fn is_append(sql: &str) -> bool {
    sql.contains("INSERT INTO events")
}

/// Asking the log for commands.
fn is_look_up(sql: &str) -> bool {
    sql.contains("FROM commands c JOIN events")
}

/// The first statement of a load.
fn is_load(sql: &str) -> bool {
    sql.contains("max(sequence)")
}

/// The booking is in the log, its answer was lost, and memory cannot be loaded to answer it anew.
#[tokio::test]
async fn what_was_found_in_the_log_and_cannot_be_answered_is_unknown() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    let Apart { rig, appends, loads, writer } = Apart::of(rig, config()).await;
    writer.inventory(id).await.unwrap();
    loads.lose_requests(is_load);
    appends.lose_next_answer(is_append);
    let booking = Machine.new_id();
    assert_eq!(writer.execute(reserve(id, booking, 2)).await.unwrap_err(), ExecuteError::OutcomeUnknown);
    assert_eq!(rig.events().await, 2, "it is written");
    let next = writer.execute(reserve(id, Machine.new_id(), 1)).await.unwrap_err();
    assert_eq!(next, ExecuteError::Unavailable, "of this one it is known that nothing was done");
    loads.pass();
    assert!(writer.execute(reserve(id, booking, 2)).await.unwrap().replayed);
    assert_eq!(rig.events().await, 2);
}

/// The same, but the writer ends while the load is under way.
#[tokio::test]
async fn a_writer_that_ends_calls_nothing_undone_that_is_in_the_log() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    let apart = Apart::of(rig, config()).await;
    apart.writer.inventory(id).await.unwrap();
    apart.loads.stall();
    apart.appends.lose_next_answer(is_append);
    let written = apart.spawn(reserve(id, Machine.new_id(), 2));
    eventually(PATIENCE, "it is written", async || apart.rig.events().await == 2).await;
    eventually(PATIENCE, "the writer goes on", async || apart.writer.status().owned == PARTITIONS).await;
    let parked = apart.spawn(reserve(id, Machine.new_id(), 1));
    tokio::task::yield_now().await;
    apart.writer.shutdown().await;
    assert_eq!(written.await.unwrap().unwrap_err(), ExecuteError::OutcomeUnknown);
    assert_eq!(parked.await.unwrap().unwrap_err(), ExecuteError::Unavailable);
    let late = reserve_one(&apart.writer, id).await.unwrap_err();
    assert_eq!(late, ExecuteError::Unavailable, "and later ones at once");
}

/// The append commits, its answer is lost, and another process has the partition by then: this one cannot
/// answer for it any more.
#[tokio::test]
async fn what_was_written_before_another_owner_took_over_is_unknown() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 5, policy(60)).await;
    let Apart { rig, appends, loads: _loads, writer } = Apart::of(rig, config()).await;
    writer.inventory(id).await.unwrap();
    let robbed = "CREATE FUNCTION rob() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN UPDATE log_heads SET epoch = epoch + 1, owner = gen_random_uuid(), owner_address = 'other',
                      lease_until = now() + interval '1 hour'; RETURN NULL; END $$;
         CREATE TRIGGER rob AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION rob();";
    sqlx::raw_sql(robbed).execute(&rig.pool).await.unwrap();
    appends.lose_next_answer(is_append);
    assert_eq!(reserve_one(&writer, id).await.unwrap_err(), ExecuteError::OutcomeUnknown);
    assert_eq!(rig.events().await, 2, "it is written");
    assert_eq!(reserve_one(&writer, id).await.unwrap_err(), ExecuteError::Unavailable);
    assert_eq!(rig.events().await, 2, "and this one is not");
}

/// A key that comes again was perhaps accepted before. While the log cannot be asked, that is what is known.
#[tokio::test]
async fn a_repeated_command_that_cannot_be_looked_up_is_unknown() {
    let rig = Rig::new().await;
    let (id, other) = (open(&rig.writer, 5, policy(60)).await, open(&rig.writer, 5, policy(60)).await);
    let booking = Machine.new_id();
    rig.writer.execute(reserve(id, booking, 2)).await.unwrap();
    let confirm = confirm(id, booking);
    rig.writer.execute(confirm.clone()).await.unwrap();
    let Apart { rig, appends, loads: _loads, writer } = Apart::of(rig, config()).await;
    appends.lose_requests(is_look_up);
    let elsewhere = reserve(other, booking, 1); // the key decides in the append itself
    for again in [reserve(id, booking, 2), confirm.clone(), elsewhere.clone()] {
        assert_eq!(writer.execute(again).await.unwrap_err(), ExecuteError::OutcomeUnknown);
    }
    appends.pass();
    for again in [reserve(id, booking, 2), confirm] {
        assert!(writer.execute(again).await.unwrap().replayed);
    }
    assert_eq!(writer.execute(elsewhere).await.unwrap_err(), ExecuteError::KeyReused);
    assert_eq!(rig.events().await, 4);
}

/// Nothing can be written any more: a full disk, a server that became read-only. What is in memory is what
/// the log says, so it goes on answering, and nothing is loaded anew.
#[tokio::test]
async fn a_store_that_refuses_every_append_is_read_from_memory_and_goes_on_by_itself() {
    let rig = Rig::with(WriterConfig { flushers: 1, ..config() }).await;
    let ids = join_all((0..6).map(|_| open(&rig.writer, 100, policy(60)))).await;
    let Apart { rig, appends: _appends, loads, writer } =
        Apart::of(rig, WriterConfig { flushers: 1, ..config() }).await;
    for id in &ids {
        writer.execute(reserve(*id, Machine.new_id(), 1)).await.unwrap();
    }
    let (before, written) = (epochs(&rig).await, rig.events().await);
    loads.lose_requests(is_load); // were something loaded, it would fail
    let as_before = async || {
        for id in &ids {
            assert_eq!(writer.inventory(*id).await.expect("it is in memory").counts.held, 1);
        }
    };

    let refuse =
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;
                  CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse();";
    let full = refuse.replace("RAISE 'no room'", "RAISE disk_full");
    for refuse in [refuse, &full] {
        sqlx::raw_sql(refuse).execute(&rig.pool).await.unwrap();
        for _ in 0..3 {
            let answers = join_all((0..30).map(|i| reserve_one(&writer, ids[i % ids.len()]))).await;
            assert!(
                answers.iter().all(|a| *a.as_ref().unwrap_err() == ExecuteError::Unavailable),
                "{answers:?}"
            );
            as_before().await;
        }
        sqlx::raw_sql("DROP FUNCTION refuse CASCADE").execute(&rig.pool).await.unwrap();
    }

    let name = rig.db.name();
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sqlx::raw_sql(&read_only).execute(&rig.pool).await.unwrap();
    reconnected(&rig).await;
    for _ in 0..3 {
        assert_eq!(reserve_one(&writer, ids[0]).await.unwrap_err(), ExecuteError::Unavailable);
        as_before().await;
    }
    let again = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    let mut admin =
        rig.db.connect_options().options([("default_transaction_read_only", "off")]).connect().await.unwrap();
    sqlx::raw_sql(&again).execute(&mut admin).await.unwrap();

    eventually(PATIENCE, "it goes on", async || reserve_one(&writer, ids[0]).await.is_ok()).await;
    assert_eq!(writer.inventory(ids[0]).await.unwrap().counts.held, 2);
    assert_eq!(epochs(&rig).await, before, "nothing was taken over anew");
    assert_eq!(rig.events().await, written + 1);
}

async fn epochs(rig: &Rig) -> Vec<i64> {
    holdfast_event_log::heads(&rig.pool).await.unwrap().iter().map(|head| head.epoch).collect()
}

/// Ends the writer's connection while nothing is written, and waits until the writer has noticed and made another.
async fn reconnected(rig: &Rig) {
    let mut admin = rig.db.connect_options().connect().await.unwrap();
    let sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    let before: i64 = sqlx::query_scalar(sessions).fetch_one(&mut admin).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE '%UPDATE log_heads%' AND pid <> pg_backend_pid()";
    sqlx::query(end).execute(&mut admin).await.unwrap();
    let admin = tokio::sync::Mutex::new(admin);
    eventually(PATIENCE, "the writer connects again", async || {
        let mut admin = admin.lock().await;
        sqlx::query_scalar::<_, i64>(sessions).fetch_one(&mut *admin).await.unwrap() >= before + 2
    })
    .await;
}

/// Four may wait. Four wait for one inventory that takes long to load; another of the same partition sells on.
#[tokio::test]
async fn commands_wait_for_the_load_of_their_own_inventory_only() {
    let rig = Rig::new().await;
    let cold = open(&rig.writer, 100, policy(60)).await;
    let warm = loop {
        let id = open(&rig.writer, 100, policy(60)).await;
        if id.log_partition(PARTITIONS) == cold.log_partition(PARTITIONS) {
            break id;
        }
    };
    let apart = Apart::of(rig, WriterConfig { queue_commands_max: 4, ..config() }).await;
    apart.writer.inventory(warm).await.unwrap();
    apart.loads.stall();
    let waiting: Vec<_> = (0..4).map(|_| apart.spawn(reserve(cold, Machine.new_id(), 1))).collect();
    eventually(PATIENCE, "no more may wait for it", async || {
        let close = ask(cold, Machine.new_id(), InventoryCommand::CloseSales(CloseSales));
        told_at_once(&apart.writer, close).await == Some(ExecuteError::Overloaded)
    })
    .await;
    reserve_one(&apart.writer, warm).await.expect("it waits for nothing");
    apart.loads.pass();
    for answer in waiting {
        // A place may have been taken by a probe above.
        let answer = answer.await.unwrap();
        assert!(
            matches!(answer, Ok(()) | Err(ExecuteError::Overloaded | ExecuteError::Refused(_))),
            "{answer:?}"
        );
    }
}

/// Inventories that do not exist wait for their loads, too: how many may is bounded.
#[tokio::test]
async fn inventories_that_wait_for_a_load_are_bounded() {
    let apart = Apart::of(Rig::new().await, WriterConfig { queue_commands_max: 4, ..config() }).await;
    apart.loads.stall();
    let refused = async || {
        let id = InventoryId(Machine.new_id());
        id.log_partition(PARTITIONS) == 0
            && told_at_once(&apart.writer, reserve(id, Machine.new_id(), 1)).await
                == Some(ExecuteError::Overloaded)
    };
    eventually(PATIENCE, "no more may wait", refused).await;
}

/// The error that comes without waiting for a load; none: it waits.
async fn told_at_once(writer: &Writer, ask: Ask) -> Option<ExecuteError> {
    timeout(Duration::from_millis(50), writer.execute(ask)).await.ok()?.err()
}
