//! A record as librdkafka hands it over.

use crate::{EVENT_HEADERS, Received, RecordError};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _};
use uuid::Uuid;

/// A record of the events' topic, taken apart.
pub(crate) struct Arrived<'r> {
    pub(crate) received: Received<'r>,
    pub(crate) event_id: Uuid,
}

pub(crate) fn parse<'r>(record: &'r BorrowedMessage<'_>) -> Result<Arrived<'r>, RecordError> {
    // In one pass: every look at a header goes to librdkafka. What is no header of ours is nobody's business here.
    let mut values = [None; EVENT_HEADERS.len()];
    for Header { key, value } in record.headers().into_iter().flat_map(|headers| headers.iter()) {
        if let Some(ours) = place(key).and_then(|place| values.get_mut(place)) {
            *ours = ours.or(value);
        }
    }
    let header = |name: &str| -> Option<&'r [u8]> { values.get(place(name)?).copied().flatten() };
    let partition = u16::try_from(record.partition()).map_err(|_| RecordError::Malformed("partition"))?;
    let received = Received::parse(partition, record.key(), record.payload(), header)?;
    let event_id = header("event_id").ok_or(RecordError::Missing("event_id"))?;
    let event_id = Uuid::try_parse_ascii(event_id).map_err(|_| RecordError::Malformed("event_id"))?;
    Ok(Arrived { received, event_id })
}

/// Which of [`EVENT_HEADERS`] it is.
fn place(name: &str) -> Option<usize> {
    EVENT_HEADERS.iter().position(|(header, _)| *header == name)
}
