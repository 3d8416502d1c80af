//! Readers get what was written, byte for byte and in order, and stop at what they do not understand.

use crate::scene::*;
use holdfast_domain::{
    BookingId, Currency, InventoryEvent, InventoryId, Money, SalesClosed, SalesReopened, SeatsReserved,
    UserId,
};
use holdfast_event_log::{
    Append, Head, LogPosition, NewEvent, ReadError, find_booking, find_commands, last_sequence, read_after,
    read_at, read_raw_after, read_sequences, read_stream_after,
};
use uuid::Uuid;

fn at(log_partition: u16, position: i64) -> LogPosition {
    LogPosition { log_partition, position }
}

fn places(events: &[holdfast_event_log::Recorded]) -> Vec<(u16, i64)> {
    events.iter().map(|e| (e.at.log_partition, e.at.position)).collect()
}

/// A stream of `length` events in the partition of the head.
async fn write_stream(log: &Log, head: Head, stream: InventoryId, length: i64) {
    let mut append = Append::default();
    append.begin(head, noon());
    for sequence in 1..=length {
        let event: InventoryEvent =
            if sequence % 2 == 1 { SalesClosed {}.into() } else { SalesReopened {}.into() };
        let payload = serde_json::to_string(&event).unwrap();
        let (event_type, event_version) = (event.type_name(), event.version());
        let event_id = Uuid::from_u128(sequence.unsigned_abs().into());
        let new = event_of(command(0));
        append
            .event(NewEvent {
                inventory_id: stream,
                sequence,
                event_type,
                event_version,
                payload,
                event_id,
                ..new
            })
            .unwrap();
    }
    append.send(&mut log.connect().await).await.unwrap();
}

#[tokio::test]
async fn a_page_serves_the_partitions_in_the_order_they_are_asked_for() {
    let log = log(3).await;
    let commands: Vec<_> = (0..9).map(command).collect();
    let heads = log.own(OLD).await;
    append(heads.iter().copied().zip(commands.chunks(3))).send(&mut log.connect().await).await.unwrap();
    let page = |after: Vec<LogPosition>, limit| {
        let pool = log.pool.clone();
        async move { places(&read_after(&pool, &after, limit).await.unwrap()) }
    };
    assert_eq!(page(vec![at(2, 1), at(0, 3), at(1, 0)], 4).await, [(2, 2), (2, 3), (1, 1), (1, 2)]);
    assert_eq!(page(vec![at(1, 2), at(2, 1)], 100).await, [(1, 3), (2, 2), (2, 3)]);
    assert_eq!(page(vec![], 100).await, []);
}

#[tokio::test]
async fn what_is_stored_is_what_was_written_byte_for_byte() {
    let log = log(1).await;
    let head = log.own(OLD).await[0];
    // Spacing, order and a repeated name survive in json, and would not in jsonb.
    let payload = "{ \"type\":\"SalesClosed\",\"b\":1.50, \"a\":2,\"a\":3 }";
    let metadata = "{\"actor\":\"\u{e4}\",  \"correlation_id\":\"7\"}";
    let mut append = Append::default();
    append.begin(head, noon());
    let event = NewEvent { payload: payload.into(), metadata: metadata.into(), ..event_of(command(1)) };
    append.event(event).unwrap();
    append.send(&mut log.connect().await).await.unwrap();

    let raw = read_raw_after(&log.pool, at(0, 0), 10).await.unwrap();
    assert_eq!((raw[0].payload.as_str(), raw[0].metadata.as_str()), (payload, metadata));
    assert_eq!(
        (raw[0].event_id, raw[0].command_id, raw[0].recorded_at),
        (command(1), Some(command(1)), noon())
    );
    assert_eq!((raw[0].aggregate_type.as_str(), raw[0].sequence), ("inventory", 1));
    let read = read_at(&log.pool, at(0, 1)).await.unwrap();
    assert_eq!(raw[0].decode().unwrap(), read.unwrap());
    assert_eq!(read_at(&log.pool, at(0, 2)).await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_is_read_by_its_sequences_whatever_stands_between() {
    let log = log(1).await;
    let (one, other) = (InventoryId(Uuid::from_u128(1)), InventoryId(Uuid::from_u128(2)));
    write_stream(&log, log.own(OLD).await[0], one, 5).await;
    write_stream(&log, log.own(OLD).await[0], other, 3).await;

    let found = read_sequences(&log.pool, other, &[3, 1, 9]).await.unwrap();
    assert_eq!(places(&found), [(0, 6), (0, 8)]);
    assert!(found.iter().all(|e| e.inventory_id == other));
    assert_eq!(last_sequence(&log.pool, one).await.unwrap(), 5);
    assert_eq!(last_sequence(&log.pool, InventoryId(Uuid::from_u128(3))).await.unwrap(), 0);
    let raw = read_stream_after(&log.pool, one, 2, 2).await.unwrap();
    assert_eq!(raw.iter().map(|e| e.sequence).collect::<Vec<_>>(), [3, 4]);
}

/// No read model is needed: the booking's id is that of the command that made it.
#[tokio::test]
async fn a_booking_leads_to_its_inventory() {
    let log = log(1).await;
    let inventory_id = InventoryId(Uuid::from_u128(77));
    let booking_id = BookingId(command(1));
    let total = Money { amount: 1, currency: Currency::from_code("EUR").unwrap() };
    let reserved: InventoryEvent =
        SeatsReserved { booking_id, user_id: UserId::default(), quantity: 1, total, expires_at: None }.into();
    let mut append = Append::default();
    append.begin(log.own(OLD).await[0], noon());
    let event = NewEvent {
        inventory_id,
        event_type: reserved.type_name(),
        payload: serde_json::to_string(&reserved).unwrap(),
        ..event_of(command(1))
    };
    let place = append.event(event).unwrap();
    append.command(command(1), fingerprint_of(command(1)), place);
    // A command that made no booking.
    let place = append.event(event_of(command(2))).unwrap();
    append.command(command(2), fingerprint_of(command(2)), place);
    append.send(&mut log.connect().await).await.unwrap();

    let made = find_booking(&log.pool, booking_id).await.unwrap().unwrap();
    assert_eq!((made.inventory_id, made.event.booking_id()), (inventory_id, Some(booking_id)));
    assert_eq!(find_booking(&log.pool, BookingId(command(2))).await.unwrap(), None);
    assert_eq!(find_booking(&log.pool, BookingId(command(3))).await.unwrap(), None);
    let found = find_commands(&log.pool, &[command(1), command(2), command(3)]).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found.iter().find(|c| c.command_id == command(1)).unwrap().answer.event, reserved);
}

#[tokio::test]
async fn what_is_not_understood_stops_the_reader_and_is_named() {
    let log = log(1).await;
    let mut append = Append::default();
    append.begin(log.own(OLD).await[0], noon());
    append.event(event_of(command(1))).unwrap();
    append.event(NewEvent { event_version: "2", ..event_of(command(2)) }).unwrap();
    append.send(&mut log.connect().await).await.unwrap();

    let error = read_after(&log.pool, &[at(0, 0)], 10).await.unwrap_err();
    assert!(matches!(error, ReadError::Decode { at: place, .. } if place == at(0, 2)), "{error:?}");
    assert_eq!(error.to_string(), "the event at 0-2 cannot be decoded");
    // The relay passes on what it need not understand.
    for (after, limit, positions) in [(0, 10, &[1, 2][..]), (0, 1, &[1]), (1, 10, &[2]), (2, 10, &[])] {
        let raw = read_raw_after(&log.pool, at(0, after), limit).await.unwrap();
        assert_eq!(raw.iter().map(|e| e.at.position).collect::<Vec<_>>(), positions);
    }

    let foreign = "UPDATE events SET aggregate_type = 'itinerary' WHERE position = 1";
    sqlx::query(foreign).execute(&log.pool).await.unwrap();
    let error = read_after(&log.pool, &[at(0, 0)], 1).await.unwrap_err();
    assert!(
        matches!(&error, ReadError::Stream { aggregate_type, .. } if aggregate_type == "itinerary"),
        "{error:?}"
    );
}
