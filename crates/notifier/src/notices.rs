//! The queue's inlet: what the projector's loop writes down for each event.
//!
//! Shape: one `INSERT … SELECT` joins a batch of events to the endpoints that want them, in the statement that moves the
//! checkpoint; two more queue mails, and the flights and shows whose bookings are to be looked through (`fan_out`). So an event is queued exactly once, and a crash repeats nothing and skips nothing.
//!
//! A mail is queued only for a user who has an account or is a guest, so that a sale to users without one (each of booking_monitor's bookings)
//! costs no row. Ids that carry a number are booking_monitor's users, and are left out before the statement; every other is
//! looked up in `users` and `guests` by its key. An account or guest that is deleted later has its mails taken out of the queue (`mails`).
//!
//! Correctness: the event's id is looked up in the log, which is in the same database wherever the events came from. Were
//! it not there, the column's NOT NULL would refuse the row, and the event's stream would be parked, as with every row that
//! the tables refuse: nothing of it is queued from there on until somebody frees it, and everything else is. A stopped
//! endpoint is owed nothing from then on; where its gap begins is kept with it. What happened at a time that has not come,
//! by a clock that was ahead, is due at once.

use crate::{kind::EventKind, show_letter};
use holdfast_domain::{BookingId, InventoryEvent, Timestamp, UserId};
use holdfast_event_log::{LogPosition, Recorded, booking_user_sql, event_id_sql};
use holdfast_projector::{Begins, IN_MOVED, PgQuery, Projection, Table};
use uuid::Uuid;

/// The notifier, as the projector's loop knows it. It has no rows of its own but its checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Notices;

/// What one event is to those who are told.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    kind: EventKind,
    at: LogPosition,
    recorded_at: Timestamp,
    mail: Option<MailTo>,
    /// Whether it concerns every live booking: the flight or show has moved.
    moved: bool,
}

fn has_moved(event: &InventoryEvent) -> bool {
    match event {
        InventoryEvent::ShowRescheduled(e) => show_letter::has_moved(e),
        other => matches!(other, InventoryEvent::FlightRescheduled(_)),
    }
}

/// Whose mail an event asks for.
#[derive(Clone, Copy, Debug)]
enum MailTo {
    /// The event names the user.
    User(UserId),
    /// The event names the booking, whose reservation names the user.
    HolderOf(BookingId),
}

impl MailTo {
    /// None: no mail, because the event is not mailed or its user never has an account.
    fn of(kind: EventKind, event: &InventoryEvent) -> Option<Self> {
        match event {
            _ if !kind.is_mailed() => None,
            InventoryEvent::SeatsReserved(made) => {
                made.user_id.number().is_none().then_some(Self::User(made.user_id))
            }
            other => other.booking_id().map(Self::HolderOf),
        }
    }

    fn user_id(self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(id.0),
            Self::HolderOf(_) => None,
        }
    }

    fn booking_id(self) -> Option<Uuid> {
        match self {
            Self::User(_) => None,
            Self::HolderOf(id) => Some(id.0),
        }
    }
}

/// A row with `user_id` where mail of `user` has an address: an account's or a guest's. Each table is looked up by its key, whatever
/// its size.
pub(crate) fn addressee_sql(user: &str) -> String {
    format!(
        "LATERAL (
             SELECT user_id FROM users WHERE user_id = {user}
             UNION ALL SELECT guest_id FROM guests WHERE guest_id = {user} AND email IS NOT NULL
         )"
    )
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
        let notice = |e: &Recorded| {
            let kind = EventKind::of(&e.event);
            let (mail, moved) = (MailTo::of(kind, &e.event), has_moved(&e.event));
            Notice { kind, at: e.at, recorded_at: e.recorded_at, mail, moved }
        };
        events.iter().map(notice).collect()
    }

    fn write_sql(_: &str) -> String {
        let event_id = event_id_sql("n.log_partition", "n.position");
        let holder = booking_user_sql("n.booking_id");
        let addressee = addressee_sql("owner.user_id");
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
                 INSERT INTO mails (event_id, user_id, log_partition, position, recorded_at, next_attempt_at)
                 SELECT {event_id}, u.user_id, n.log_partition, n.position, n.recorded_at,
                        least(n.recorded_at, now())
                 FROM unnest($8::smallint[], $9::bigint[], $10::timestamptz[], $14::uuid[], $15::uuid[])
                      AS n (log_partition, position, recorded_at, user_id, booking_id)
                 -- OFFSET 0: the reservation is looked up once, not once for each table.
                 CROSS JOIN LATERAL (SELECT coalesce(n.user_id, {holder}) AS user_id OFFSET 0) owner
                 CROSS JOIN {addressee} u
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
        let mailed: Vec<_> = notices.iter().filter_map(|notice| Some((notice, notice.mail?))).collect();
        let moved: Vec<_> = notices.iter().filter(|notice| notice.moved).collect();
        query
            .bind(notices.iter().map(|n| n.kind.as_str()).collect::<Vec<_>>())
            .bind(notices.iter().map(|n| n.at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(notices.iter().map(|n| n.at.position).collect::<Vec<_>>())
            .bind(notices.iter().map(|n| n.recorded_at).collect::<Vec<_>>())
            .bind(mailed.iter().map(|(n, _)| n.at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(mailed.iter().map(|(n, _)| n.at.position).collect::<Vec<_>>())
            .bind(mailed.iter().map(|(n, _)| n.recorded_at).collect::<Vec<_>>())
            .bind(moved.iter().map(|n| n.at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(moved.iter().map(|n| n.at.position).collect::<Vec<_>>())
            .bind(moved.iter().map(|n| n.recorded_at).collect::<Vec<_>>())
            .bind(mailed.iter().map(|(_, mail)| mail.user_id()).collect::<Vec<_>>())
            .bind(mailed.iter().map(|(_, mail)| mail.booking_id()).collect::<Vec<_>>())
    }
}
