//! Money in answers.

use holdfast_domain::Money;
use serde::Serialize;
use utoipa::ToSchema;

/// An amount in minor units (cents, yen) of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Money, example = json!({"amount": 4950, "currency": "EUR"}))]
pub(crate) struct MoneyView {
    /// Minor units.
    amount: i64,
    /// ISO 4217, three capital letters.
    currency: &'static str,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency.code() }
    }
}
