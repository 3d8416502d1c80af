//! Money: integer minor units and an ISO 4217 currency. No floats, checked arithmetic.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// A currency of ISO 4217, written as its three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Finds a currency by its three letters, whatever their case.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(&code.to_ascii_uppercase()).map(Self)
    }

    /// Whether something can cost so many minor units of it. Not of metals, units of account and tests, which are in the list, too.
    #[must_use]
    pub fn has_minor_units(self) -> bool {
        self.0.exponent().is_some()
    }

    /// The three letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Code;
        impl de::Visitor<'_> for Code {
            type Value = Currency;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an ISO 4217 currency code of three letters, such as EUR")
            }
            fn visit_str<E: de::Error>(self, code: &str) -> Result<Currency, E> {
                Currency::from_code(code).ok_or_else(|| E::invalid_value(de::Unexpected::Str(code), &self))
            }
        }
        deserializer.deserialize_str(Code)
    }
}

impl JsonSchema for Currency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Currency")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Z]{3}$", "description": "A currency of ISO 4217."})
    }
}

/// An amount in minor units (cents, yen) of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units; never negative in a price or a total.
    pub amount: i64,
    /// What the units are of.
    pub currency: Currency,
}

/// Why an amount cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The product does not fit into 64 bits.
    #[error("the amount does not fit into 64 bits")]
    Overflow,
}

impl Money {
    /// This price for `quantity` seats.
    ///
    /// # Errors
    /// `Overflow` if the total does not fit into 64 bits.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_mul(i64::from(quantity)).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_that_overflows_is_refused() {
        let price = Money { amount: i64::MAX, currency: Currency::from_code("eur").unwrap() };
        assert_eq!(price.times(2), Err(MoneyError::Overflow));
        assert_eq!(price.times(1), Ok(price));
    }

    #[test]
    fn a_currency_that_does_not_exist_is_refused() {
        assert!(serde_json::from_str::<Currency>("\"XQQ\"").is_err());
        assert_eq!(serde_json::to_string(&Currency::from_code("JPY").unwrap()).unwrap(), "\"JPY\"");
    }
}
