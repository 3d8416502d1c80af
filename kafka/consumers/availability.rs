//! Seats of every inventory, from the topic alone: availability HOST:PORT,...
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::{collections::BTreeMap, env, error::Error, time::Duration};

const TOPIC: &str = "holdfast.events.v1";
const WAIT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Seats {
    capacity: i64,
    allowance: i64,
    held: i64,
    confirmed: i64,
    blocked: i64,
    sales: &'static str,
}

fn apply(seats: &mut Seats, kind: &str, event: &Value) -> Result<(), Box<dyn Error>> {
    let number = |name| event.pointer(name).and_then(Value::as_i64).ok_or(format!("{name} is missing"));
    match kind {
        "InventoryOpened.v1" => {
            seats.sales = "open";
            seats.capacity = number("/capacity")?;
            seats.allowance = number("/policy/overbooking_allowance")?;
        }
        "SeatsReserved.v1" if event["expires_at"].is_null() => seats.confirmed += number("/quantity")?,
        "SeatsReserved.v1" => seats.held += number("/quantity")?,
        "BookingConfirmed.v1" => {
            seats.held -= number("/quantity")?;
            seats.confirmed += number("/quantity")?;
        }
        "BookingCancelled.v1" if event["previous_status"] == "held" => seats.held -= number("/released")?,
        "BookingCancelled.v1" => seats.confirmed -= number("/released")?,
        "BookingExpired.v1" => seats.held -= number("/released")?,
        "CapacityChanged.v1" => seats.capacity = number("/new")?,
        "SalesClosed.v1" => seats.sales = "closed",
        "SalesReopened.v1" => seats.sales = "open",
        "FlightCancelled.v1" | "ShowCancelled.v1" => seats.sales = "cancelled",
        // No seat comes or goes.
        "PriceChanged.v1" | "FlightRescheduled.v1" | "ShowRescheduled.v1" => {}
        "SeatsBlocked.v1" => seats.blocked += number("/quantity")?,
        "SeatsUnblocked.v1" => seats.blocked -= number("/quantity")?,
        unknown => return Err(format!("{unknown} may change a count, and is not known here").into()),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let brokers = env::args().nth(1).ok_or("which brokers? HOST:PORT,...")?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "example").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let (mut unread, mut last, mut inventories) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut from = TopicPartitionList::new();
    for topic in consumer.fetch_metadata(Some(TOPIC), WAIT)?.topics() {
        for partition in topic.partitions() {
            let (first, end) = consumer.fetch_watermarks(TOPIC, partition.id(), WAIT)?;
            from.add_partition_offset(TOPIC, partition.id(), Offset::Offset(first))?;
            unread.extend((first < end).then_some((partition.id(), end)));
        }
    }
    consumer.assign(&from)?;
    while !unread.is_empty() {
        let record = consumer.poll(WAIT).ok_or("Kafka sends nothing any more")??;
        let Some(end) = unread.get(&record.partition()).copied() else { continue };
        let header = |name| {
            let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
            let value = headers.filter(|header| header.key == name).find_map(|header| header.value);
            value.and_then(|value| str::from_utf8(value).ok()).ok_or(format!("a record without {name}"))
        };
        let position: i64 = header("position")?.parse()?;
        let last = last.entry(record.partition()).or_insert(0);
        if position > *last + 1 {
            return Err(
                format!("hole in partition {}: after {last} comes {position}", record.partition()).into()
            );
        }
        // A lower position was had: a relay sent it twice.
        if position == *last + 1 {
            let key = str::from_utf8(record.key().unwrap_or_default())?.to_owned();
            let event = serde_json::from_slice(record.payload().unwrap_or_default())?;
            let kind = format!("{}.v{}", header("event_type")?, header("event_version")?);
            apply(inventories.entry(key).or_insert_with(Seats::default), &kind, &event)?;
            // In a database: in the transaction that applies the event.
            *last = position;
        }
        if record.offset() + 1 >= end {
            unread.remove(&record.partition());
        }
    }
    for (inventory_id, Seats { capacity, allowance, held, confirmed, blocked, sales }) in inventories {
        let left = capacity + allowance - held - confirmed - blocked;
        println!(
            "{}",
            json!({"inventory_id": inventory_id, "capacity": capacity, "overbooking_allowance": allowance,
            "held": held, "confirmed": confirmed, "blocked": blocked, "sales": sales, "available": left.max(0)})
        );
    }
    Ok(())
}
