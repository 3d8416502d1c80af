//! The same command again.

use crate::rig::{PATIENCE, Rig, ask, config, confirm, open, policy, reserve, reserve_one, writer_on};
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{BookingId, CancelBooking, InventoryCommand, InventoryId};
use holdfast_testkit::eventually;
use holdfast_writer::{Ask, ExecuteError, WriterConfig};
use uuid::Uuid;

#[tokio::test]
async fn the_same_command_twice_at_once_has_one_effect_and_one_answer() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    let key = Machine.new_id();
    let answers = join_all((0..20).map(|_| rig.writer.execute(reserve(id, key, 2)))).await;
    let places: Vec<_> = answers.iter().map(|a| a.as_ref().unwrap().answer.clone().unwrap()).collect();
    assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "everyone gets the first answer");
    assert_eq!(answers.iter().filter(|a| !a.as_ref().unwrap().replayed).count(), 1);
    assert_eq!(rig.events().await, 2);
}

#[tokio::test]
async fn a_key_that_is_used_for_another_request_is_refused() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    let key = Machine.new_id();
    rig.writer.execute(reserve(id, key, 2)).await.unwrap();
    let other = || Ask { fingerprint: Uuid::from_u128(1), ..reserve(id, key, 3) };
    assert_eq!(rig.writer.execute(other()).await.unwrap_err(), ExecuteError::KeyReused);
    let after = rig.restarted().await;
    assert_eq!(after.execute(other()).await.unwrap_err(), ExecuteError::KeyReused);
    assert_eq!(rig.events().await, 2);
}

/// Memory is gone; the log still knows, and no look-up is made for commands that are new.
#[tokio::test]
async fn after_a_restart_the_first_answer_comes_from_the_log() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    let key = Machine.new_id();
    let first = rig.writer.execute(reserve(id, key, 2)).await.unwrap();
    let after = rig.restarted().await;
    let again = after.execute(reserve(id, key, 2)).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.at, again.answer), (first.at, first.answer));
    assert_eq!(rig.events().await, 2);
}

/// Room for one inventory of eight bookings: inventories leave memory and come back with every booking they had.
#[tokio::test]
async fn memory_is_bounded_and_nothing_is_forgotten() {
    let rig = Rig::with(WriterConfig { memory_bookings_max: 30, flushers: 1, ..config() }).await;
    let ids = join_all((0..5).map(|_| open(&rig.writer, 100, policy(3_600)))).await;
    for id in &ids {
        join_all((0..8).map(|_| rig.writer.execute(reserve(*id, Machine.new_id(), 1)))).await;
    }
    rig.clock.advance(chrono::TimeDelta::seconds(11)); // what is in use stays
    eventually(PATIENCE, "all that does not fit leaves memory", async || {
        rig.writer.status().resident_bookings <= 30
    })
    .await;
    for id in &ids {
        assert_eq!(rig.writer.inventory(*id).await.unwrap().counts.held, 8);
    }
}

/// The first answer is owed for every command with a key, whatever has happened since.
#[tokio::test]
async fn a_confirmation_is_answered_again_even_after_the_booking_was_cancelled() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    let booking = Machine.new_id();
    rig.writer.execute(reserve(id, booking, 2)).await.unwrap();
    let confirm = confirm(id, booking);
    let first = rig.writer.execute(confirm.clone()).await.unwrap();
    let cancel = InventoryCommand::CancelBooking(CancelBooking {
        booking_id: BookingId(booking),
        owner: None,
        reason: "changed_mind".to_owned(),
    });
    rig.writer.execute(ask(id, Machine.new_id(), cancel)).await.unwrap();
    let after = rig.restarted().await;
    let again = after.execute(confirm.clone()).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.answer, first.answer);
    let other = Ask { fingerprint: Uuid::from_u128(1), ..confirm };
    assert_eq!(after.execute(other).await.unwrap_err(), ExecuteError::KeyReused);
}

/// A stranger asks for ids that nobody opened: none of them stays in memory.
#[tokio::test]
async fn an_inventory_that_does_not_exist_takes_no_memory() {
    let rig = Rig::new().await;
    for _ in 0..50 {
        let unknown = InventoryId(Machine.new_id());
        assert!(rig.writer.inventory(unknown).await.is_err());
    }
    let id = open(&rig.writer, 10, policy(60)).await;
    assert!(rig.writer.inventory(id).await.is_ok());
    eventually(PATIENCE, "only the one that exists is weighed", async || {
        (1..=10).contains(&rig.writer.status().resident_bookings)
    })
    .await;
}

/// A load that takes long must not end in "nobody knows": the command was not even decided.
#[tokio::test]
async fn whoever_waits_too_long_for_a_load_is_told_that_nothing_was_done() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    rig.writer.shutdown().await;
    let patience = WriterConfig::new(Machine.new_id(), String::new()).answer_within;
    let config = WriterConfig { answer_within: patience, ..config() };
    let writer = writer_on(&rig.pool, rig.db.connect_options(), &rig.clock, config).await;
    let mut lock = rig.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE events IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    assert_eq!(reserve_one(&writer, id).await.unwrap_err(), ExecuteError::Unavailable);
    lock.rollback().await.unwrap();
    eventually(PATIENCE, "it goes on", async || reserve_one(&writer, id).await.is_ok()).await;
}

/// Its shape is that of an event we know, but a newer build wrote it and may mean something else.
#[tokio::test]
async fn an_event_of_a_newer_version_is_not_folded_by_its_looks() {
    let rig = Rig::new().await;
    let id = open(&rig.writer, 10, policy(60)).await;
    reserve_one(&rig.writer, id).await.unwrap();
    let newer = "UPDATE events SET event_version = '2' WHERE event_type = 'SeatsReserved'";
    sqlx::query(newer).execute(&rig.pool).await.unwrap();
    let after = rig.restarted().await;
    assert_eq!(reserve_one(&after, id).await.unwrap_err(), ExecuteError::Unavailable);
    assert_eq!(rig.events().await, 2);
}
