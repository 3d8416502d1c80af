//! A log with a real writer, a queue, and words to register, book and send.

use crate::receiver::Receiver;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine, StoppedClock};
use holdfast_domain::{
    BookingId, CancelBooking, ConfirmBooking, Currency, InventoryCommand, InventoryId, Money, OpenInventory,
    Policy, ReserveSeats, Subject, UserId,
};
use holdfast_event_log::initialize;
use holdfast_notifier::{
    DeliverConfig, Deliverer, Delivery, DeliveryState, Endpoint, EventKind, NewEndpoint, Notices, WebhookKey,
    create, deliveries, endpoint,
};
use holdfast_projector::{LogSource, testing::drain};
use holdfast_testkit::{Proxy, TestDatabase, database};
use holdfast_writer::{Ask, Writer, WriterConfig};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// Patience of the tests: a slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Of the rig's log.
pub(crate) const PARTITIONS: u16 = 4;
/// Who books.
pub(crate) const ADA: UserId = UserId(Uuid::from_u128(7));

pub(crate) struct Rig {
    db: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) clock: StoppedClock,
    pub(crate) writer: Writer,
    pub(crate) key: WebhookKey,
}

/// A registered endpoint with its secret.
pub(crate) struct Registered {
    pub(crate) id: Uuid,
    pub(crate) secret: String,
}

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

/// What tests send with: to themselves.
pub(crate) fn config() -> DeliverConfig {
    DeliverConfig { allow_private: true, answer_max: PATIENCE, ..DeliverConfig::default() }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let db = database().await;
        let pool = db.pool();
        initialize(&mut pool.acquire().await.unwrap(), Some(PARTITIONS)).await.unwrap();
        let clock = StoppedClock::at(noon());
        let writing = WriterConfig {
            answer_within: PATIENCE,
            force: true,
            ..WriterConfig::new(Machine.new_id(), "127.0.0.1:1".to_owned())
        };
        let writer = Writer::start(pool.clone(), db.connect_options(), Arc::new(clock.clone()), writing)
            .await
            .unwrap();
        let rig = Self { db, pool, clock, writer, key: WebhookKey::new([7; 32]).unwrap() };
        rig.account(ADA, "ada@example.org").await;
        rig
    }

    /// A proxy in front of its Postgres.
    pub(crate) fn proxy(&self) -> Proxy {
        self.db.proxy()
    }

    /// Mails are owed to accounts and guests only.
    pub(crate) async fn account(&self, user: UserId, email: &str) {
        let sql = "INSERT INTO users (user_id, email, password_hash, role, created_at)
                   VALUES ($1, $2, 'x', 'customer', now())";
        sqlx::query(sql).bind(user.0).bind(email).execute(&self.pool).await.unwrap();
    }

    /// A customer without an account, for whom an agent books.
    pub(crate) async fn guest(&self, user: UserId) {
        let sql = "INSERT INTO guests (guest_id, fingerprint, email, name, created_at)
                   VALUES ($1, $1, 'grace@example.org', 'Grace', now())";
        sqlx::query(sql).bind(user.0).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn erase_guest(&self, user: UserId) {
        let sql = "UPDATE guests SET email = NULL, name = NULL, fingerprint = NULL WHERE guest_id = $1";
        sqlx::query(sql).bind(user.0).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn delete_account(&self, user: UserId) {
        sqlx::query("DELETE FROM users WHERE user_id = $1").bind(user.0).execute(&self.pool).await.unwrap();
    }

    /// Registers a URL for these types; none: for all.
    pub(crate) async fn register_url(&self, url: &str, kinds: &[EventKind]) -> Registered {
        let kinds = if kinds.is_empty() { EventKind::ALL } else { kinds };
        let new =
            NewEndpoint { endpoint_id: Machine.new_id(), url: url.to_owned(), event_types: kinds.to_vec() };
        let (made, secret, again) = create(&self.pool, &self.key, &new, self.clock.now()).await.unwrap();
        assert!(!again);
        Registered { id: made.endpoint_id, secret: secret.tell() }
    }

    pub(crate) async fn register(&self, receiver: &Receiver, kinds: &[EventKind]) -> Registered {
        self.register_url(&receiver.url, kinds).await
    }

    pub(crate) async fn endpoint(&self, id: Uuid) -> Endpoint {
        endpoint(&self.pool, id).await.unwrap()
    }

    pub(crate) fn deliverer(&self) -> Deliverer {
        self.deliverer_with(config())
    }

    pub(crate) fn deliverer_with(&self, config: DeliverConfig) -> Deliverer {
        Deliverer::new(self.pool.clone(), Arc::new(self.clock.clone()), self.key.clone(), config).unwrap()
    }

    /// Queues all that is in the log.
    pub(crate) async fn queue(&self) {
        drain::<Notices>(&self.pool, LogSource::new(&self.pool)).await;
    }

    /// Queues all that is in the log and sends all that is due.
    pub(crate) async fn deliver(&self) -> usize {
        self.queue().await;
        self.send_due().await
    }

    pub(crate) async fn send_due(&self) -> usize {
        let (deliverer, mut attempts) = (self.deliverer(), 0);
        loop {
            let more = deliverer.run_once().await.unwrap();
            attempts += more;
            if more == 0 {
                return attempts;
            }
        }
    }

    pub(crate) async fn deliveries(
        &self,
        endpoint: &Registered,
        state: Option<DeliveryState>,
    ) -> Vec<Delivery> {
        deliveries(&self.pool, endpoint.id, state, None, 200).await.unwrap()
    }

    /// How many deliveries there are of all endpoints.
    pub(crate) async fn owed(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM webhook_deliveries").fetch_one(&self.pool).await.unwrap()
    }

    async fn execute(&self, inventory_id: InventoryId, command_id: Uuid, command: InventoryCommand) {
        let ask = Ask {
            command_id,
            fingerprint: Uuid::nil(),
            keyed: true,
            inventory_id,
            command,
            metadata: "{}".to_owned(),
        };
        self.writer.execute(ask).await.expect("it is accepted");
    }

    pub(crate) async fn open(&self, hold_seconds: u32) -> InventoryId {
        let id = Machine.new_id();
        let policy = Policy {
            seats_per_booking: 10,
            live_bookings_per_user: 0,
            hold_seconds,
            overbooking_allowance: 0,
            seats_per_user: 0,
            holds_per_user: 0,
        };
        let command = InventoryCommand::OpenInventory(OpenInventory {
            accept_departed: false,
            subject: Subject::Show {
                name: "The Tempest".to_owned(),
                starts_at: None,
                zone: None,
                sales_end_at: None,
            },
            capacity: 10_000,
            price: Money { amount: 2_000, currency: Currency::from_code("EUR").unwrap() },
            policy,
        });
        self.execute(InventoryId(id), id, command).await;
        InventoryId(id)
    }

    pub(crate) async fn reserve(&self, show: InventoryId, quantity: u32) -> BookingId {
        self.reserve_for(ADA, show, quantity).await
    }

    pub(crate) async fn reserve_for(&self, user_id: UserId, show: InventoryId, quantity: u32) -> BookingId {
        let booking_id = BookingId(Machine.new_id());
        let command = InventoryCommand::ReserveSeats(ReserveSeats {
            booking_id,
            user_id,
            quantity,
            accept_departed: false,
        });
        self.execute(show, booking_id.0, command).await;
        booking_id
    }

    pub(crate) async fn confirm(&self, show: InventoryId, booking_id: BookingId) {
        let command = InventoryCommand::ConfirmBooking(ConfirmBooking {
            booking_id,
            owner: None,
            accept_departed: false,
        });
        self.execute(show, Machine.new_id(), command).await;
    }

    pub(crate) async fn cancel(&self, show: InventoryId, booking_id: BookingId) {
        let reason = "by_customer".to_owned();
        let command = InventoryCommand::CancelBooking(CancelBooking { booking_id, owner: None, reason });
        self.execute(show, Machine.new_id(), command).await;
    }

    pub(crate) async fn ask(&self, show: InventoryId, command: InventoryCommand) {
        self.execute(show, Machine.new_id(), command).await;
    }

    /// So many bookings, each confirmed at once.
    pub(crate) async fn sell(&self, bookings: usize) {
        let show = self.open(0).await;
        join_all((0..bookings).map(|_| self.reserve(show, 1))).await;
    }

    pub(crate) fn later(&self, by: TimeDelta) {
        self.clock.advance(by);
    }
}
