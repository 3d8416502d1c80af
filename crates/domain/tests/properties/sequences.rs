//! Where the sequences come from. Few users, few bookings, few seats and short holds, so that
//! commands meet: on the same booking, on the last seat, in the very moment a hold ends or a flight leaves.

use chrono::TimeDelta;
use holdfast_domain::{
    AirplaneId, AirportId, BlockSeats, BookingId, CancelBooking, CancelFlight, CancelShow, ChangeCapacity,
    ChangeFlight, ChangeShow, CloseSales, ConfirmBooking, Currency, Flight, InventoryCommand, Money,
    OpenInventory, Policy, ReopenSales, ReserveSeats, Subject, SubjectKind, Timestamp, UnblockSeats, UserId,
};
use proptest::{collection::vec, option, prelude::*};
use uuid::Uuid;

/// Time that passes, then something that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) wait_micros: i64,
    pub(crate) command: InventoryCommand,
}

/// When every sequence begins.
pub(crate) fn noon() -> Timestamp {
    Timestamp::from_timestamp(1_900_000_800, 0).unwrap()
}

/// One life of one inventory.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) steps: Vec<Step>,
}

/// Up to 40 commands of any kind on a small inventory.
pub(crate) fn sequences() -> impl Strategy<Value = Sequence> {
    let opening = openings(0..=24u32);
    (opening, vec((waits(), commands()), 1..40)).prop_map(|(opening, rest)| {
        let mut steps: Vec<_> =
            rest.into_iter().map(|(wait_micros, command)| Step { wait_micros, command }).collect();
        // Second, not first: one command meets an inventory that is not there.
        steps.insert(1, Step { wait_micros: 0, command: InventoryCommand::OpenInventory(opening) });
        Sequence { steps }
    })
}

/// Hundreds of holds within a few seconds, then the time at which most of them end, or the end of their
/// flight or show, then any commands.
pub(crate) fn rushes() -> impl Strategy<Value = Sequence> {
    let buyers = vec((0..4i64, 1..=3u32, 0..600u128), 450..620);
    let opening = openings(500..=2_000u32);
    (opening, buyers, vec((waits(), commands()), 1..12), 1..=6i64, any::<bool>()).prop_map(
        |(opening, buyers, rest, pause, called_off)| {
            let policy = Policy { seats_per_booking: 5, hold_seconds: 3, ..opening.policy };
            // What is called off has more bookings than end at once: no limit keeps them away.
            let policy = match called_off {
                true => Policy { live_bookings_per_user: 0, seats_per_user: 0, holds_per_user: 0, ..policy },
                false => policy,
            };
            let cancel = cancellation(opening.subject.kind(), "storm".into());
            let mut steps = vec![Step {
                wait_micros: 0,
                command: InventoryCommand::OpenInventory(OpenInventory { policy, ..opening }),
            }];
            steps.extend(buyers.into_iter().enumerate().map(|(n, (wait_micros, quantity, user))| {
                let booking_id = booking(1_000 + n as u128);
                let user_id = UserId(Uuid::from_u128(user));
                let ask = ReserveSeats { booking_id, user_id, quantity, accept_departed: true };
                Step { wait_micros, command: InventoryCommand::ReserveSeats(ask) }
            }));
            let wait_micros = pause * 1_000_000;
            let any = rest.into_iter().map(|(wait_micros, command)| Step { wait_micros, command });
            let end = Step { wait_micros: 0, command: InventoryCommand::EndDueBookings };
            match called_off {
                true => {
                    steps.push(Step { wait_micros: wait_micros / 3, command: cancel });
                    steps.extend([end.clone(), end.clone()]);
                }
                false => steps.push(Step { wait_micros, ..end }),
            }
            steps.extend(any);
            Sequence { steps }
        },
    )
}

/// Often none; often whole seconds, which is when holds end; sometimes anything.
fn waits() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => Just(0),
        4 => (1..=3i64).prop_map(|s| s * 1_000_000),
        1 => 1..4_000_000i64,
    ]
}

fn commands() -> impl Strategy<Value = InventoryCommand> {
    use InventoryCommand as C;
    let owner = || option::weighted(0.3, users());
    let reserve = (bookings(), users(), 0..7u32, any::<bool>()).prop_map(
        |(booking_id, user_id, quantity, accept_departed)| ReserveSeats {
            booking_id,
            user_id,
            quantity,
            accept_departed,
        },
    );
    let confirm = (bookings(), owner(), any::<bool>()).prop_map(|(booking_id, owner, accept_departed)| {
        ConfirmBooking { booking_id, owner, accept_departed }
    });
    let cancel = (bookings(), owner(), reasons()).prop_map(|(booking_id, owner, reason)| CancelBooking {
        booking_id,
        owner,
        reason,
    });
    let block = (0..8u32, reasons()).prop_map(|(quantity, reason)| BlockSeats { quantity, reason });
    prop_oneof![
        12 => reserve.prop_map(C::ReserveSeats),
        5 => confirm.prop_map(C::ConfirmBooking),
        4 => cancel.prop_map(C::CancelBooking),
        2 => Just(C::EndDueBookings),
        2 => prop_oneof![9 => 0..30u32, 1 => any::<u32>()]
            .prop_map(|capacity| C::ChangeCapacity(ChangeCapacity { capacity })),
        1 => Just(C::CloseSales(CloseSales)),
        2 => Just(C::ReopenSales(ReopenSales)),
        2 => block.prop_map(C::BlockSeats),
        2 => (0..8u32).prop_map(|quantity| C::UnblockSeats(UnblockSeats { quantity })),
        1 => openings(0..=3u32).prop_map(C::OpenInventory),
        3 => changes().prop_map(C::ChangeFlight),
        3 => show_changes().prop_map(C::ChangeShow),
        1 => (kinds(), reasons()).prop_map(|(kind, reason)| cancellation(kind, reason)),
    ]
}

fn openings(capacity: impl Strategy<Value = u32>) -> impl Strategy<Value = OpenInventory> {
    let policy = (1..=5u32, 0..=2u32, prop_oneof![1 => Just(0u32), 4 => 1..=6u32], 0..=3u32);
    let subject = prop_oneof![1 => shows(), 2 => flights()];
    let price = prop_oneof![Just(0), 1..=9_999i64];
    let limits = (prop_oneof![2 => Just(0u32), 1 => 1..=9u32], prop_oneof![2 => Just(0u32), 1 => 1..=3u32]);
    let policy = (policy, limits);
    let terms = (capacity, policy, subject, price, any::<bool>());
    terms.prop_map(
        |(capacity, (terms, (seats_per_user, holds_per_user)), subject, amount, accept_departed)| {
            let (seats, live, hold, allowance) = terms;
            OpenInventory {
                subject,
                accept_departed,
                capacity,
                price: yen(amount),
                policy: Policy {
                    seats_per_booking: seats,
                    live_bookings_per_user: live,
                    hold_seconds: hold,
                    overbooking_allowance: allowance,
                    seats_per_user,
                    holds_per_user,
                },
            }
        },
    )
}

fn kinds() -> impl Strategy<Value = SubjectKind> {
    prop_oneof![Just(SubjectKind::Flight), Just(SubjectKind::Show)]
}

fn cancellation(kind: SubjectKind, reason: String) -> InventoryCommand {
    match kind {
        SubjectKind::Flight => InventoryCommand::CancelFlight(CancelFlight { reason }),
        SubjectKind::Show => InventoryCommand::CancelShow(CancelShow { reason }),
    }
}

fn shows() -> impl Strategy<Value = Subject> {
    (show_zones(), show_times(), show_times()).prop_map(|(zone, starts_at, sales_end_at)| Subject::Show {
        name: "Show".into(),
        starts_at,
        zone,
        sales_end_at,
    })
}

fn show_zones() -> impl Strategy<Value = Option<String>> {
    let zone = prop_oneof![8 => Just(None), 1 => Just(Some("Asia/Tokyo")), 1 => Just(Some("Asia/Nowhere"))];
    zone.prop_map(|zone| zone.map(Into::into))
}

/// Mostly open for the whole sequence; sometimes it begins, or its sale ends, within it.
fn show_times() -> impl Strategy<Value = Option<Timestamp>> {
    option::weighted(0.4, prop_oneof![3 => times(), 1 => Just(noon() + TimeDelta::days(1))])
}

fn show_changes() -> impl Strategy<Value = ChangeShow> {
    let price = option::weighted(0.3, (prop_oneof![4 => 0..=9_999i64, 1 => Just(-1i64)]).prop_map(yen));
    let starts_at = option::weighted(0.6, show_times());
    let zone = option::weighted(0.2, show_zones());
    let sales_end_at = option::weighted(0.3, show_times());
    let if_version = option::weighted(0.4, vec(1..5u64, 1..3));
    (price, starts_at, zone, sales_end_at, if_version).prop_map(
        |(price, starts_at, zone, sales_end_at, if_version)| ChangeShow {
            price,
            starts_at,
            zone,
            sales_end_at,
            if_version,
        },
    )
}

fn flights() -> impl Strategy<Value = Subject> {
    let zone = prop_oneof![15 => Just("Asia/Tokyo"), 1 => Just("Asia/Nowhere")];
    let number = prop_oneof![15 => Just("JL7"), 1 => Just("")];
    let arrival = prop_oneof![15 => Just(2i64), 1 => Just(1i64)];
    (zone, number, arrival, times(), times(), gates()).prop_map(
        |(zone, number, arrival, departs_at, arrives_at, gate)| {
            Subject::Flight(Box::new(Flight {
                number: number.into(),
                airplane_id: AirplaneId::from_number(1).unwrap(),
                departure_airport_id: AirportId::from_number(1).unwrap(),
                arrival_airport_id: AirportId::from_number(arrival).unwrap(),
                departure_zone: zone.into(),
                arrival_zone: "Asia/Seoul".into(),
                departs_at,
                // Mostly hours later; sometimes at any time.
                arrives_at: if arrival == 2 { arrives_at + TimeDelta::hours(2) } else { arrives_at },
                gate,
            }))
        },
    )
}

fn changes() -> impl Strategy<Value = ChangeFlight> {
    let price = option::weighted(0.4, (prop_oneof![4 => 0..=9_999i64, 1 => Just(-1i64)]).prop_map(yen));
    let departs_at = option::weighted(0.5, times());
    let arrives_at = option::weighted(0.3, (times(), 0..3i64).prop_map(|(at, h)| at + TimeDelta::hours(h)));
    let gate = option::weighted(0.3, gates());
    let if_version = option::weighted(0.4, vec(1..5u64, 1..3));
    (price, departs_at, arrives_at, gate, if_version, any::<bool>()).prop_map(
        |(price, departs_at, arrives_at, gate, if_version, accept_departed)| ChangeFlight {
            price,
            departs_at,
            arrives_at,
            gate,
            if_version,
            accept_departed,
        },
    )
}

/// Around the time that a sequence takes, on whole seconds.
fn times() -> impl Strategy<Value = Timestamp> {
    (-2..60i64).prop_map(|second| noon() + TimeDelta::seconds(second))
}

fn gates() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), Just(Some("A1".to_owned())), Just(Some("B2".to_owned()))]
}

fn yen(amount: i64) -> Money {
    Money { amount, currency: Currency::from_code("JPY").unwrap() }
}

fn bookings() -> impl Strategy<Value = BookingId> {
    (0..12u128).prop_map(booking)
}

fn booking(number: u128) -> BookingId {
    BookingId(Uuid::from_u128(number))
}

fn users() -> impl Strategy<Value = UserId> {
    (0..4u128).prop_map(|n| UserId(Uuid::from_u128(n)))
}

fn reasons() -> impl Strategy<Value = String> {
    prop_oneof![9 => Just("plans".to_owned()), 1 => Just("long ".repeat(21))]
}
