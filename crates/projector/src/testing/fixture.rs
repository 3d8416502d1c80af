//! Fixtures: events in, rows out. Test and documentation at once.

use super::{Happened, Sliced, TestLog, drain, rows};
use crate::{LogSource, Projection};
use holdfast_domain::{InventoryEvent, InventoryId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use sqlx::PgPool;
use std::{collections::BTreeMap, fs, path::Path};

/// One file of a read model's `fixtures` folder.
#[derive(Debug, Deserialize)]
pub struct Fixture {
    /// What it shows, in a sentence.
    pub claim: String,
    events: Vec<StoredEvent>,
    rows: BTreeMap<String, Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct StoredEvent {
    inventory_id: InventoryId,
    recorded_at: Timestamp,
    event_type: String,
    event_version: String,
    payload: Box<RawValue>,
}

impl Fixture {
    /// All fixtures of a folder, by file name.
    #[must_use]
    pub fn all(folder: &Path) -> BTreeMap<String, Self> {
        let files = fs::read_dir(folder).expect("the folder of fixtures can be read");
        let read = |file: fs::DirEntry| {
            let name = file.file_name().to_string_lossy().into_owned();
            let text = fs::read_to_string(file.path()).expect("a fixture can be read");
            let fixture = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name} is no fixture: {e}"));
            (name, fixture)
        };
        files.map(|file| read(file.expect("a fixture has a name"))).collect()
    }

    /// How many events go in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event goes in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Applies the events in batches of at most `batch` and compares all rows. The database is a fresh one.
    pub async fn check<P: Projection>(&self, pool: &PgPool, batch: usize) {
        let mut log = TestLog::create(pool, 1).await;
        let history: Vec<_> = self.events.iter().map(StoredEvent::happened).collect();
        log.append(&history).await;
        drain::<P>(pool, Sliced { source: LogSource::new(pool), at_most: batch }).await;
        let (found, expected) = (rows::<P>(pool).await, &self.rows);
        let pretty = |rows| serde_json::to_string_pretty(rows).expect("rows are JSON");
        assert!(
            found == *expected,
            "{} (batches of {batch})\nexpected {}\nfound {}",
            self.claim,
            pretty(expected),
            pretty(&found)
        );
    }
}

impl StoredEvent {
    fn happened(&self) -> Happened {
        let event = InventoryEvent::decode(&self.event_type, &self.event_version, self.payload.get());
        Happened {
            inventory_id: self.inventory_id,
            event: event.expect("a fixture's events are events"),
            at: self.recorded_at,
        }
    }
}
