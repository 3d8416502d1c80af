//! Brings an aggregate into memory from its stream, through postgres-es's event repository.
//!
//! Guarantee: what is returned is the whole stream. The repository's stream of events ends without
//! an error when its connection dies, so the events are counted against the stream's last sequence.

use cqrs_es::persist::{EventUpcaster, PersistedEventRepository, PersistenceError, SerializedEvent};
use holdfast_domain::{EVENT_TYPES, Inventory, InventoryId};
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::{error::Elapsed, timeout};

/// Events in memory between the connection and the fold.
const STREAM_EVENTS_MAX: usize = 500;
/// Longest wait for the next event: a load may be long, but not stand still and keep its place.
const PROGRESS_MAX: Duration = Duration::from_secs(5);

/// The stream could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the stream could not be read")]
    Database(#[from] sqlx::Error),
    #[error("the stream's events could not be read")]
    Repository(#[from] PersistenceError),
    #[error("the stream ended after {loaded} of {expected} events")]
    Incomplete { loaded: u64, expected: i64 },
    #[error("nothing came for {} s", PROGRESS_MAX.as_secs())]
    Stalled(#[from] Elapsed),
}

/// The repository decodes by shape and does not ask for the version: an event that this build does not know
/// is made into one that nobody can decode, rather than folded by its looks.
struct OnlyKnown;

impl EventUpcaster for OnlyKnown {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        !EVENT_TYPES.contains(&(event_type, event_version))
    }

    fn upcast(&self, event: SerializedEvent) -> SerializedEvent {
        let type_and_version = format!("unknown {} version {}", event.event_type, event.event_version);
        SerializedEvent { payload: type_and_version.into(), ..event }
    }
}

pub(crate) async fn load(pool: &PgPool, id: InventoryId) -> Result<Inventory, LoadError> {
    let mut state = Inventory::default();
    // Nobody else appends to the stream: this process owns the partition and holds its commands back.
    let expected = timeout(PROGRESS_MAX, holdfast_event_log::last_sequence(pool, id)).await??;
    if expected == 0 {
        return Ok(state);
    }
    let repository =
        PostgresEventRepository::new(pool.clone()).with_streaming_channel_size(STREAM_EVENTS_MAX);
    let mut events = repository.stream_events::<Inventory>(&id.to_string()).await?;
    let only_known: [Box<dyn EventUpcaster>; 1] = [Box::new(OnlyKnown)];
    while let Some(event) = timeout(PROGRESS_MAX, events.next::<Inventory>(&only_known)).await? {
        state.apply(&event?.payload);
    }
    let loaded = state.counts().version;
    if i64::try_from(loaded).ok() != Some(expected) {
        return Err(LoadError::Incomplete { loaded, expected });
    }
    Ok(state)
}
