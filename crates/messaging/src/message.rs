//! A record as librdkafka hands it over.

use crate::{Received, RecordError};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use uuid::Uuid;

/// A record of the events' topic, taken apart.
pub(crate) struct Arrived<'r> {
    pub(crate) received: Received<'r>,
    pub(crate) event_id: Uuid,
}

pub(crate) fn parse<'r>(record: &'r BorrowedMessage<'_>) -> Result<Arrived<'r>, RecordError> {
    let headers = record.headers();
    let header = |name: &str| -> Option<&'r [u8]> {
        headers?.iter().find(|header| header.key == name).and_then(|header| header.value)
    };
    let partition = u16::try_from(record.partition()).map_err(|_| RecordError::Malformed("partition"))?;
    let received = Received::parse(partition, record.key(), record.payload(), header)?;
    let event_id = header("event_id").ok_or(RecordError::Missing("event_id"))?;
    let event_id = Uuid::try_parse_ascii(event_id).map_err(|_| RecordError::Malformed("event_id"))?;
    Ok(Arrived { received, event_id })
}
