//! Where the sequences come from. Few users, few bookings, few seats and short holds, so that
//! commands meet: on the same booking, on the last seat, in the very moment a hold ends.

use holdfast_domain::{
    BlockSeats, BookingId, CancelBooking, ChangeCapacity, CloseSales, ConfirmBooking, Currency,
    InventoryCommand, Money, OpenInventory, Policy, ReopenSales, ReserveSeats, Subject, UnblockSeats, UserId,
};
use proptest::{collection::vec, option, prelude::*};
use uuid::Uuid;

/// Time that passes, then something that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) wait_micros: i64,
    pub(crate) command: InventoryCommand,
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

/// Hundreds of holds within a few seconds, then the time at which most of them end, then any commands.
pub(crate) fn rushes() -> impl Strategy<Value = Sequence> {
    let buyers = vec((0..4i64, 1..=3u32, 0..600u128), 450..620);
    let opening = openings(500..=2_000u32);
    (opening, buyers, vec((waits(), commands()), 1..12), 1..=6i64).prop_map(
        |(opening, buyers, rest, pause)| {
            let policy = Policy { seats_per_booking: 5, hold_seconds: 3, ..opening.policy };
            let mut steps = vec![Step {
                wait_micros: 0,
                command: InventoryCommand::OpenInventory(OpenInventory { policy, ..opening }),
            }];
            steps.extend(buyers.into_iter().enumerate().map(|(n, (wait_micros, quantity, user))| {
                let booking_id = booking(1_000 + n as u128);
                let ask = ReserveSeats { booking_id, user_id: UserId(Uuid::from_u128(user)), quantity };
                Step { wait_micros, command: InventoryCommand::ReserveSeats(ask) }
            }));
            let wait_micros = pause * 1_000_000;
            let any = rest.into_iter().map(|(wait_micros, command)| Step { wait_micros, command });
            steps.push(Step { wait_micros, command: InventoryCommand::ExpireHolds });
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
    let reserve = (bookings(), users(), 0..7u32).prop_map(|(booking_id, user_id, quantity)| ReserveSeats {
        booking_id,
        user_id,
        quantity,
    });
    let confirm = (bookings(), owner()).prop_map(|(booking_id, owner)| ConfirmBooking { booking_id, owner });
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
        2 => Just(C::ExpireHolds),
        2 => prop_oneof![9 => 0..30u32, 1 => any::<u32>()]
            .prop_map(|capacity| C::ChangeCapacity(ChangeCapacity { capacity })),
        1 => Just(C::CloseSales(CloseSales)),
        2 => Just(C::ReopenSales(ReopenSales)),
        2 => block.prop_map(C::BlockSeats),
        2 => (0..8u32).prop_map(|quantity| C::UnblockSeats(UnblockSeats { quantity })),
        1 => openings(0..=3u32).prop_map(C::OpenInventory),
    ]
}

fn openings(capacity: impl Strategy<Value = u32>) -> impl Strategy<Value = OpenInventory> {
    let policy = (1..=5u32, 0..=2u32, prop_oneof![1 => Just(0u32), 4 => 1..=6u32], 0..=3u32);
    let zone = prop_oneof![8 => Just(None), 1 => Just(Some("Asia/Tokyo")), 1 => Just(Some("Asia/Nowhere"))];
    let price = prop_oneof![Just(0), 1..=9_999i64];
    (capacity, policy, zone, price).prop_map(|(capacity, (seats, live, hold, allowance), zone, amount)| {
        OpenInventory {
            subject: Subject::Show { name: "Show".into(), starts_at: None, zone: zone.map(Into::into) },
            capacity,
            price: Money { amount, currency: Currency::from_code("JPY").unwrap() },
            policy: Policy {
                seats_per_booking: seats,
                live_bookings_per_user: live,
                hold_seconds: hold,
                overbooking_allowance: allowance,
            },
        }
    })
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
