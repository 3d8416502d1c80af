//! The queue's inlet: what the projector's loop writes down for each event.
//!
//! Shape: one `INSERT … SELECT` joins a batch of events to the endpoints that want them, in the statement that moves the
//! checkpoint; two more queue mails, and the flights whose bookings are to be looked through (`fan_out`). So an event is queued exactly once, and a crash repeats nothing and skips nothing.
//!
//! Correctness: the event's id is looked up in the log, which is in the same database wherever the events came from. Were
//! it not there, the column's NOT NULL would refuse the row, and the event's stream would be parked, as with every row that
//! the tables refuse: nothing of it is queued from there on until somebody frees it, and everything else is. A stopped
//! endpoint is owed nothing from then on; where its gap begins is kept with it. What happened at a time that has not come,
//! by a clock that was ahead, is due at once.

use crate::kind::EventKind;
use holdfast_domain::Timestamp;
use holdfast_event_log::{LogPosition, Recorded, event_id_sql};
use holdfast_projector::{Begins, IN_MOVED, PgQuery, Projection, Table};

/// The notifier, as the projector's loop knows it. It has no rows of its own but its checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Notices;

/// What one event is to those who are told.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    kind: EventKind,
    at: LogPosition,
    recorded_at: Timestamp,
}

impl Projection for Notices {
    const NAME: &'static str = "notifier";
    const BEGINS: Begins = Begins::AtHeads;
    const TABLES: &'static [Table] = &[];
    type Changes = Vec<Notice>;

    fn tables_sql(_: &str) -> String {
        String::new()
    }

    fn indexes_sql(_: &str) -> String {
        String::new()
    }

    fn fold(events: &[Recorded]) -> Vec<Notice> {
        let notice =
            |e: &Recorded| Notice { kind: EventKind::of(&e.event), at: e.at, recorded_at: e.recorded_at };
        events.iter().map(notice).collect()
    }

    fn write_sql(_: &str) -> String {
        let event_id = event_id_sql("n.log_partition", "n.position");
        format!(
            "queued AS (
                 INSERT INTO webhook_deliveries
                     (endpoint_id, event_id, event_type, log_partition, position, recorded_at, next_attempt_at)
                 SELECT w.endpoint_id, {event_id}, n.event_type, n.log_partition, n.position, n.recorded_at,
                        least(n.recorded_at, now())
                 FROM unnest($4::text[], $5::smallint[], $6::bigint[], $7::timestamptz[])
                      AS n (event_type, log_partition, position, recorded_at)
                 JOIN webhook_endpoints w
                      ON w.state = 'active' AND n.event_type = ANY (w.event_types)
                     AND n.position > w.after_positions[n.log_partition + 1]
                 WHERE n.log_partition {IN_MOVED}
                 ON CONFLICT (endpoint_id, event_id) DO NOTHING
             ), mailed AS (
                 INSERT INTO mails (event_id, log_partition, position, recorded_at, next_attempt_at)
                 SELECT {event_id}, n.log_partition, n.position, n.recorded_at,
                        least(n.recorded_at, now())
                 FROM unnest($8::smallint[], $9::bigint[], $10::timestamptz[])
                      AS n (log_partition, position, recorded_at)
                 JOIN mail_channel c
                      ON c.open_until > n.recorded_at AND n.position > c.after_positions[n.log_partition + 1]
                 WHERE n.log_partition {IN_MOVED}
                 ON CONFLICT (event_id) DO NOTHING
             ), rescheduled AS (
                 INSERT INTO mail_fan_outs (event_id, log_partition, position, recorded_at)
                 SELECT {event_id}, n.log_partition, n.position, n.recorded_at
                 FROM unnest($11::smallint[], $12::bigint[], $13::timestamptz[])
                      AS n (log_partition, position, recorded_at)
                 JOIN mail_channel c
                      ON c.open_until > n.recorded_at AND n.position > c.after_positions[n.log_partition + 1]
                 WHERE n.log_partition {IN_MOVED}
                 ON CONFLICT (event_id) DO NOTHING
             )"
        )
    }

    fn bind<'q>(query: PgQuery<'q>, notices: &'q Vec<Notice>) -> PgQuery<'q> {
        let mailed: Vec<_> = notices.iter().filter(|notice| notice.kind.is_mailed()).collect();
        let moved: Vec<_> =
            notices.iter().filter(|notice| notice.kind == EventKind::FlightRescheduled).collect();
        query
            .bind(notices.iter().map(|n| n.kind.as_str()).collect::<Vec<_>>())
            .bind(notices.iter().map(|n| n.at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(notices.iter().map(|n| n.at.position).collect::<Vec<_>>())
            .bind(notices.iter().map(|n| n.recorded_at).collect::<Vec<_>>())
            .bind(mailed.iter().map(|n| n.at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(mailed.iter().map(|n| n.at.position).collect::<Vec<_>>())
            .bind(mailed.iter().map(|n| n.recorded_at).collect::<Vec<_>>())
            .bind(moved.iter().map(|n| n.at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(moved.iter().map(|n| n.at.position).collect::<Vec<_>>())
            .bind(moved.iter().map(|n| n.recorded_at).collect::<Vec<_>>())
    }
}
