//! The same log, folded by code that is not ours.

use crate::rig::{Rig, confirm, open, policy, reserve};
use chrono::TimeDelta;
use cqrs_es::EventStore;
use cqrs_es::persist::PersistedEventStore;
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{BlockSeats, ChangeCapacity, Inventory, InventoryCommand};
use holdfast_event_log as log;
use postgres_es::PostgresEventRepository;

/// postgres-es's own store loads what the writer wrote, and gets the state that our fold gets and that
/// the writer answers from.
#[tokio::test]
async fn postgres_es_folds_the_log_to_the_same_state() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 40, policy(30)).await;
    let keys: Vec<_> = (0..20).map(|_| Machine.new_id()).collect();
    join_all(keys.iter().map(|key| rig.writer.execute(reserve(id, *key, 1)))).await;
    join_all(keys[..10].iter().map(|key| rig.writer.execute(confirm(id, *key)))).await;
    let change = InventoryCommand::ChangeCapacity(ChangeCapacity { capacity: 35 });
    rig.writer.execute(crate::rig::ask(id, Machine.new_id(), change)).await.unwrap();
    let block = InventoryCommand::BlockSeats(BlockSeats { quantity: 3, reason: "stage".to_owned() });
    rig.writer.execute(crate::rig::ask(id, Machine.new_id(), block)).await.unwrap();
    rig.clock.advance(TimeDelta::seconds(30));
    let last = rig.writer.execute(reserve(id, Machine.new_id(), 5)).await.unwrap();

    let store =
        PersistedEventStore::<_, Inventory>::new_event_store(PostgresEventRepository::new(rig.pool.clone()));
    let theirs = store.load_aggregate(&id.to_string()).await.unwrap();
    let mut ours = Inventory::default();
    for raw in log::read_stream_after(&rig.pool, id, 0, 1_000).await.unwrap() {
        let event = raw.decode().unwrap();
        ours.audit(&event.event, event.recorded_at).expect("the log keeps the rules");
    }
    assert_eq!(theirs.aggregate, ours);
    assert_eq!(*ours.counts(), last.counts);
    assert_eq!(*ours.counts(), rig.writer.inventory(id).await.unwrap().counts);
    for (booking_id, booking) in ours.bookings() {
        assert_eq!(rig.writer.booking(id, booking_id).await.unwrap(), *booking);
    }
}
