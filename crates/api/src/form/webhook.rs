//! Values of requests about webhooks: lists, each with its bound.

use super::Field;
use holdfast_event_log::LogPosition;
use holdfast_notifier::EventKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type},
    },
};

/// As many as a log may have partitions.
const POSITIONS_MAX: usize = 1_024;

/// Event types, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventTypes(pub(crate) Vec<EventKind>);

impl Field for EventTypes {
    fn must_be() -> Cow<'static, str> {
        let words: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        Cow::Owned(format!("must be a list of at least one of {}, none of them twice", words.join(", ")))
    }
}

impl<'de> Deserialize<'de> for EventTypes {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom(Self::must_be());
        let words = Vec::<String>::deserialize(json)?;
        if words.is_empty() || words.len() > EventKind::ALL.len() {
            return Err(wrong());
        }
        let mut kinds = Vec::with_capacity(words.len());
        for word in words {
            let kind = EventKind::from_word(&word).ok_or_else(wrong)?;
            if kinds.contains(&kind) {
                return Err(wrong());
            }
            kinds.push(kind);
        }
        Ok(Self(kinds))
    }
}

impl Serialize for EventTypes {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.collect_seq(self.0.iter().map(|kind| kind.as_str()))
    }
}

impl PartialSchema for EventTypes {
    fn schema() -> RefOr<Schema> {
        let words = EventKind::ALL.iter().map(|kind| kind.as_str());
        let word = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words));
        let list = ArrayBuilder::new().items(word).min_items(Some(1)).unique_items(true);
        list.max_items(Some(EventKind::ALL.len())).into()
    }
}

impl ToSchema for EventTypes {}

/// The first events to be had, one of each log partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FromPositions(pub(crate) Vec<LogPosition>);

impl Field for FromPositions {
    fn must_be() -> Cow<'static, str> {
        Cow::Borrowed(
            "must be a list of the first position of each log partition that is wanted, such as [\"0-1\", \"7-1234\"]",
        )
    }
}

impl<'de> Deserialize<'de> for FromPositions {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom(Self::must_be());
        let texts = Vec::<String>::deserialize(json)?;
        if texts.is_empty() || texts.len() > POSITIONS_MAX {
            return Err(wrong());
        }
        let mut positions: Vec<LogPosition> = Vec::with_capacity(texts.len());
        for text in texts {
            let at: LogPosition = text.parse().map_err(|_| wrong())?;
            if at.position == 0 || positions.iter().any(|other| other.log_partition == at.log_partition) {
                return Err(wrong());
            }
            positions.push(at);
        }
        Ok(Self(positions))
    }
}

impl Serialize for FromPositions {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl PartialSchema for FromPositions {
    fn schema() -> RefOr<Schema> {
        let position =
            ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(Some("^[0-9]+-[0-9]+$"));
        let list = ArrayBuilder::new().items(position).min_items(Some(1));
        list.max_items(Some(POSITIONS_MAX)).into()
    }
}

impl ToSchema for FromPositions {}
