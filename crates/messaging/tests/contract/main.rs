//! The files of `kafka/` are what the code does: a schema and an example record of each event type.
//!
//! They are generated and committed; `scripts/contract` writes them anew. It refuses a change that consumers would not
//! survive, as this test does: that is a new version of the event, with a schema of its own beside the old one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that stops says what is wrong"
)]

mod evolution;

use evolution::breaks;
use holdfast_domain::{EVENT_TYPES, InventoryEvent};
use holdfast_event_log::{LogPosition, RawEvent};
use holdfast_messaging::{EVENT_HEADERS, EVENTS, headers};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use std::{env, fs, path::PathBuf};
use uuid::Uuid;

/// Set by `scripts/contract`: write the files instead of comparing them.
const WRITE: &str = "HOLDFAST_WRITE_CONTRACT";

fn folder(of: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(of)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// A file that is generated: it is as committed, or it is written if that is asked for.
fn hold(file: &str, generated: &str) {
    let path = folder("kafka").join(file);
    if env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, generated,
        "kafka/{file} is not what the code does; `scripts/contract` writes it anew"
    );
}

/// The schema of an event's JSON: of its struct, with the tag that every stored event carries.
fn schema(event_type: &str, version: &str, of_struct: Value) -> Value {
    let Value::Object(mut schema) = of_struct else { panic!("{event_type}: a schema is an object") };
    let mut properties = Map::new();
    properties.insert("type".to_owned(), json!({"const": event_type, "description": "The event's type."}));
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own);
    }
    let own = schema.remove("required").and_then(|required| required.as_array().cloned());
    let required: Vec<_> = [json!("type")].into_iter().chain(own.unwrap_or_default()).collect();
    schema.insert("$id".to_owned(), json!(format!("urn:holdfast:event:{event_type}:v{version}")));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), Value::Array(required));
    Value::Object(schema)
}

#[test]
fn every_event_type_has_its_schema_and_none_changed_what_consumers_rely_on() {
    for (event_type, version, of_struct) in InventoryEvent::schemas() {
        let file = format!("schemas/{event_type}.v{version}.json");
        let schema = schema(event_type, version, of_struct.to_value());
        if let Ok(committed) = fs::read_to_string(folder("kafka").join(&file)) {
            let broken = breaks(&serde_json::from_str(&committed).unwrap(), &schema);
            assert!(
                broken.is_empty(),
                "{event_type} is a promise in version {version}; make a new version beside it: {broken:#?}"
            );
        }
        hold(&file, &pretty(&schema));
    }
}

/// All that was ever stored, in forms without what may be missing too.
#[test]
fn every_frozen_event_fits_its_schema() {
    for file in fs::read_dir(folder("crates/domain/events")).unwrap() {
        let frozen: Frozen =
            serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let schema = format!("schemas/{}.v{}.json", frozen.event_type, frozen.event_version);
        let schema =
            serde_json::from_str(&fs::read_to_string(folder("kafka").join(&schema)).unwrap()).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let value: Value = serde_json::from_str(frozen.payload.get()).unwrap();
        validator.validate(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
        let of_another_type = json!({"type": "Other"});
        assert!(!validator.is_valid(&of_another_type));
    }
}

/// One file of the domain's `events/`.
#[derive(Deserialize)]
struct Frozen {
    event_type: String,
    event_version: String,
    payload: Box<RawValue>,
}

#[test]
fn every_event_type_has_its_example_record() {
    let log_id = "0193a2f0-7c00-7000-8000-000000000001";
    for (nth, (event_type, version)) in (1..).zip(EVENT_TYPES) {
        let frozen = folder("crates/domain/events").join(format!("{event_type}.v{version}.json"));
        let frozen: Frozen = serde_json::from_str(&fs::read_to_string(frozen).unwrap()).unwrap();
        // Time ends a hold; everything else answers a command.
        let asked = *event_type != "BookingExpired";
        let metadata = json!({"actor": "customer", "correlation_id": "web-7",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"});
        let event = RawEvent {
            at: LogPosition { log_partition: 3, position: 100 + nth },
            aggregate_type: "inventory".to_owned(),
            aggregate_id: "0193a2f0-7c00-7000-8000-00000000e001".to_owned(),
            sequence: nth,
            event_type: frozen.event_type,
            event_version: frozen.event_version,
            payload: frozen.payload.get().to_owned(),
            metadata: if asked { metadata.to_string() } else { json!({"actor": "timer"}).to_string() },
            event_id: Uuid::from_u64_pair(0x0193_a2f0_7c00_7000, 0x8000_0000_0000_0e00 + nth.cast_unsigned()),
            command_id: asked.then(|| Uuid::from_u64_pair(0x0193_a2f0_7c00_5000, 0x8000_0000_0000_0c01)),
            recorded_at: "2031-11-01T10:00:00.250001Z".parse().unwrap(),
        };
        let headers: Map<_, _> = headers(&event, log_id)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let record = json!({
            "topic": EVENTS, "partition": event.at.log_partition, "key": event.aggregate_id,
            "headers": headers, "value": event.payload,
        });
        hold(&format!("examples/{event_type}.v{version}.json"), &pretty(&record));
    }
}

/// Whoever writes a consumer reads kafka/README.md and nothing else.
#[test]
fn the_readme_lists_every_header() {
    let readme = fs::read_to_string(folder("kafka/README.md")).unwrap();
    for (name, about) in EVENT_HEADERS {
        assert!(
            readme.contains(&format!("| `{name}` | {about} |")),
            "kafka/README.md: | `{name}` | {about} |"
        );
    }
}
