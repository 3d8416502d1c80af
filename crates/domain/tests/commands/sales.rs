//! CloseSales and ReopenSales.

use crate::given::*;
use holdfast_domain::{CloseSales, InventoryCommand, ReopenSales, SalesClosed, SalesReopened};

const CLOSE: InventoryCommand = InventoryCommand::CloseSales(CloseSales);
const REOPEN: InventoryCommand = InventoryCommand::ReopenSales(ReopenSales);

#[test]
fn sales_close_once() {
    given(vec![opened()]).when(at(0, CLOSE)).then_expect_events(vec![SalesClosed {}.into()]);
    given(vec![opened(), SalesClosed {}.into()]).when(at(0, CLOSE)).then_expect_events(vec![]);
}

#[test]
fn sales_reopen_once() {
    given(vec![opened()]).when(at(0, REOPEN)).then_expect_events(vec![]);
    given(vec![opened(), SalesClosed {}.into()])
        .when(at(0, REOPEN))
        .then_expect_events(vec![SalesReopened {}.into()]);
}

#[test]
fn after_reopening_seats_are_sold_again() {
    given(vec![opened(), SalesClosed {}.into(), SalesReopened {}.into()])
        .when(at(0, reserve(1, ANNA, 1)))
        .then_expect_events(vec![held(1, ANNA, 1)]);
}
