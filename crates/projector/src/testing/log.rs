//! A log that a test appends to.

use holdfast_domain::{InventoryEvent, InventoryId, Timestamp};
use holdfast_event_log::{Append, Claim, Head, LogPosition, NewEvent, initialize, take_over};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use std::collections::HashMap;
use uuid::Uuid;

/// Something that happened, without its place in the log.
#[derive(Clone, Debug)]
pub struct Happened {
    /// To which inventory.
    pub inventory_id: InventoryId,
    /// What.
    pub event: InventoryEvent,
    /// When.
    pub at: Timestamp,
}

/// The one writer of a test's log.
#[derive(Debug)]
pub struct TestLog {
    conn: PgConnection,
    heads: Vec<Head>,
    sequences: HashMap<InventoryId, i64>,
    written: u64,
    backend: i32,
}

impl TestLog {
    /// Makes the log and takes all its partitions over.
    pub async fn create(pool: &PgPool, partitions: u16) -> Self {
        Self::open(pool, Some(partitions)).await
    }

    /// Takes over what another `TestLog` wrote to; for new streams only, because it does not know where
    /// the old ones end.
    pub async fn resume(pool: &PgPool) -> Self {
        Self::open(pool, None).await
    }

    async fn open(pool: &PgPool, partitions: Option<u16>) -> Self {
        let mut conn = pool.connect_options().connect().await.expect("the test's database answers");
        let partitions = initialize(&mut conn, partitions).await.expect("the log can be made");
        let all: Vec<_> = (0..partitions.cast_signed()).collect();
        let claim = Claim { owner: Uuid::from_u128(1), owner_address: "test", force: true };
        let taken = take_over(&mut conn, &all, claim).await.expect("the partitions can be taken over");
        let mut heads: Vec<_> = taken.into_iter().map(|taken| taken.head).collect();
        heads.sort_by_key(|head| head.log_partition);
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut conn).await;
        let backend = pid.expect("a connection has a backend");
        Self { conn, heads, sequences: HashMap::new(), written: 0, backend }
    }

    /// Appends all of it in one statement.
    pub async fn append(&mut self, events: &[Happened]) -> Vec<LogPosition> {
        let partitions = u16::try_from(self.heads.len()).expect("a log has few partitions");
        let mut append = Append::default();
        let mut places = vec![];
        for head in &mut self.heads {
            let here =
                events.iter().filter(|e| e.inventory_id.log_partition(partitions) == head.log_partition);
            for (nth, happened) in here.enumerate() {
                if nth == 0 {
                    append.begin(*head, happened.at);
                }
                let sequence = self.sequences.entry(happened.inventory_id).or_default();
                *sequence += 1;
                self.written += 1;
                places.extend(append.event(NewEvent {
                    inventory_id: happened.inventory_id,
                    sequence: *sequence,
                    event_type: happened.event.type_name(),
                    event_version: happened.event.version(),
                    payload: serde_json::to_string(&happened.event).expect("an event is JSON"),
                    metadata: "{}".to_owned(),
                    event_id: Uuid::from_u128(self.written.into()),
                    command_id: None,
                    recorded_at: happened.at,
                }));
            }
        }
        let appended = append.send(&mut self.conn).await.expect("the test's log takes appends");
        assert!(appended.fenced.is_empty(), "a test's log has one writer");
        for head in appended.committed {
            self.heads[usize::from(head.log_partition)] = head;
        }
        places
    }

    /// The process of the server that this log is written by.
    pub(crate) fn backend(&self) -> i32 {
        self.backend
    }

    /// Where every partition ends.
    #[must_use]
    pub fn heads(&self) -> Vec<i64> {
        self.heads.iter().map(|head| head.position).collect()
    }
}
