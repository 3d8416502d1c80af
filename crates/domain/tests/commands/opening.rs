//! OpenInventory.

use crate::given::*;
use holdfast_domain::{
    CapacityChanged, InventoryCommand, InventoryOpened, OpenInventory, Policy, Refused, Subject,
};

fn open(ask: OpenInventory) -> InventoryCommand {
    InventoryCommand::OpenInventory(ask)
}

#[test]
fn opening_puts_the_seats_on_sale() {
    let OpenInventory { subject, capacity, price, policy, .. } = show();
    given(vec![])
        .when(at(0, open(show())))
        .then_expect_events(vec![InventoryOpened { subject, capacity, price, policy }.into()]);
}

#[test]
fn opening_again_with_the_same_terms_changes_nothing() {
    given(vec![opened()]).when(at(5, open(show()))).then_expect_events(vec![]);
}

#[test]
fn opening_again_is_still_the_same_after_the_capacity_changed() {
    let changed = CapacityChanged { old: CAPACITY, new: 50, oversold_by: 0 };
    given(vec![opened(), changed.into()]).when(at(5, open(show()))).then_expect_events(vec![]);
}

#[test]
fn opening_again_with_other_terms_is_refused() {
    let others = [
        OpenInventory { capacity: CAPACITY + 1, ..show() },
        OpenInventory { price: euros(1), ..show() },
        OpenInventory { policy: Policy { hold_seconds: 0, ..POLICY }, ..show() },
        OpenInventory {
            subject: Subject::Show {
                name: "Another".into(),
                starts_at: None,
                zone: None,
                sales_end_at: None,
            },
            ..show()
        },
    ];
    for other in others {
        given(vec![opened()]).when(at(5, open(other))).then_expect_error(Refused::AlreadyOpen);
    }
}

#[test]
fn a_show_needs_a_name_that_fits_and_a_zone_that_exists() {
    let called =
        |name: &str| Subject::Show { name: name.into(), starts_at: None, zone: None, sales_end_at: None };
    let somewhere = |zone: &str| Subject::Show {
        name: "Show".into(),
        starts_at: None,
        zone: Some(zone.into()),
        sales_end_at: None,
    };
    let zone = invalid("/zone", "must be an IANA time zone, such as Europe/Berlin");
    let name = invalid("/name", "must be 1 to 200 characters");
    for (subject, refusal) in [
        (called(""), &name),
        (called("   "), &name),
        (called("a\0b"), &name),
        (called(&"ä".repeat(201)), &name),
        (somewhere("Europe/Atlantis"), &zone),
        (somewhere(""), &zone),
    ] {
        given(vec![])
            .when(at(0, open(OpenInventory { subject, ..show() })))
            .then_expect_error(refusal.clone());
    }
    let longest = OpenInventory { subject: called(&"ä".repeat(200)), ..show() };
    assert!(given(vec![]).when(at(0, open(longest))).inspect_result().is_ok());
}

#[test]
fn capacity_and_price_stay_within_their_ranges() {
    for capacity in [0, 10_000_000] {
        let ask = OpenInventory { capacity, ..show() };
        assert!(given(vec![]).when(at(0, open(ask))).inspect_result().is_ok(), "{capacity}");
    }
    given(vec![])
        .when(at(0, open(OpenInventory { capacity: 10_000_001, ..show() })))
        .then_expect_error(invalid("/capacity", "must be 0 to 10000000"));
    for amount in [-1, 1_000_000_000_001] {
        given(vec![])
            .when(at(0, open(OpenInventory { price: euros(amount), ..show() })))
            .then_expect_error(invalid("/price/amount", "must be 0 to 1000000000000"));
    }
}

#[test]
fn each_limit_of_the_policy_stays_within_its_range() {
    let wrong = [
        (Policy { seats_per_booking: 0, ..POLICY }, "/policy/seats_per_booking", "must be 1 to 100"),
        (Policy { seats_per_booking: 101, ..POLICY }, "/policy/seats_per_booking", "must be 1 to 100"),
        (
            Policy { live_bookings_per_user: 1_000_001, ..POLICY },
            "/policy/live_bookings_per_user",
            "must be 0 to 1000000",
        ),
        (Policy { hold_seconds: 86_401, ..POLICY }, "/policy/hold_seconds", "must be 0 to 86400"),
        (
            Policy { overbooking_allowance: 1_000_001, ..POLICY },
            "/policy/overbooking_allowance",
            "must be 0 to 1000000",
        ),
    ];
    for (policy, pointer, detail) in wrong {
        given(vec![])
            .when(at(0, open(OpenInventory { policy, ..show() })))
            .then_expect_error(invalid(pointer, detail));
    }
}

/// Whatever is asked; before the opening there is nothing to ask it of.
#[test]
fn before_the_opening_there_is_no_inventory() {
    use holdfast_domain::{
        BlockSeats, CancelFlight, CancelShow, ChangeCapacity, ChangeFlight, ChangeShow, CloseSales,
        ReopenSales, UnblockSeats,
    };
    let commands = [
        reserve(1, ANNA, 1),
        confirm(1),
        cancel(1),
        InventoryCommand::EndDueBookings,
        InventoryCommand::ChangeCapacity(ChangeCapacity { capacity: 1 }),
        InventoryCommand::CloseSales(CloseSales),
        InventoryCommand::ReopenSales(ReopenSales),
        InventoryCommand::BlockSeats(BlockSeats { quantity: 1, reason: String::new() }),
        InventoryCommand::UnblockSeats(UnblockSeats { quantity: 1 }),
        InventoryCommand::ChangeFlight(ChangeFlight::default()),
        InventoryCommand::CancelFlight(CancelFlight { reason: String::new() }),
        InventoryCommand::ChangeShow(ChangeShow::default()),
        InventoryCommand::CancelShow(CancelShow { reason: String::new() }),
    ];
    for command in commands {
        given(vec![]).when(at(0, command)).then_expect_error(Refused::UnknownInventory);
    }
}
