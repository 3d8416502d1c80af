//! Ids of the things we sell and of those who buy: one type each, so that they cannot be mixed up.
//!
//! The systems we replace know their events, flights and users by plain integers, each kind of thing counted from 1. Such a
//! number is carried inside the id (`from_number`, `number`), so no table maps one to the other: the id is a version 8 UUID
//! (RFC 9562 §5.8) whose first 64 bits say what kind of thing it names, and whose last 62 bits are the number. Airport 7 and
//! flight 7 have different ids, so that the one is never taken for the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// First 64 bits of an id that carries a number: zeros, then version 8, then the kind.
const NUMBER_MARK: u64 = 0x0000_0000_0000_8000;
/// Bits that are left for the number below the UUID's variant bits.
const NUMBER_BITS: u32 = 62;
/// The variant bits `10` of RFC 9562, at the top of the last 64 bits.
const VARIANT: u64 = 0x8000_0000_0000_0000;

/// Puts a signed number into the UUID of a kind of thing. `None` if it needs more than 62 bits.
fn number_to_uuid(kind: u64, number: i64) -> Option<Uuid> {
    let low = number.cast_unsigned() & !(0b11 << NUMBER_BITS);
    (sign_extended(low) == number).then(|| Uuid::from_u64_pair(NUMBER_MARK | kind, VARIANT | low))
}

/// The number inside such a UUID of this kind; `None` for every other UUID.
fn uuid_to_number(kind: u64, id: Uuid) -> Option<i64> {
    let (mark, low) = id.as_u64_pair();
    (mark == NUMBER_MARK | kind && low & (0b11 << NUMBER_BITS) == VARIANT).then(|| sign_extended(low))
}

/// The low 62 bits as a number in two's complement.
fn sign_extended(low: u64) -> i64 {
    let above = u64::BITS - NUMBER_BITS;
    (low << above).cast_signed() >> above
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id that carries `number`, as the replaced systems name it. `None` beyond ±2⁶¹.
            #[must_use]
            pub fn from_number(number: i64) -> Option<Self> {
                number_to_uuid($kind, number).map(Self)
            }

            /// The number this id was made from, if it was made from one.
            #[must_use]
            pub fn number(self) -> Option<i64> {
                uuid_to_number($kind, self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

// The kinds are in stored ids: none may change. 0 was the mark of all of them, before there were kinds; such ids are ids still, and
// no number leads to them.
id! {
    /// The seats of one flight or one show: one aggregate, one stream.
    InventoryId, 1
}
id! {
    /// One booking. Equal to the id of the command that made it.
    BookingId, 2
}
id! {
    /// Who holds a booking.
    UserId, 3
}
id! {
    /// An airplane, with its seats.
    AirplaneId, 4
}
id! {
    /// An airport, in its time zone.
    AirportId, 5
}
id! {
    /// A city that airports belong to.
    CityId, 6
}

impl InventoryId {
    /// The log partition this stream lives in for ever: the id's low 64 bits modulo `partitions`.
    /// (Those bits are random, hashed or counting, so streams spread evenly.)
    #[must_use]
    pub fn log_partition(self, partitions: u16) -> u16 {
        let (_, low) = self.0.as_u64_pair();
        u16::try_from(low % u64::from(partitions.max(1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_the_way_into_an_id_and_back() {
        for number in [0, 1, -1, 7, i64::from(i32::MIN), -(1 << 60), (1 << 61) - 1, -(1 << 61)] {
            assert_eq!(UserId::from_number(number).and_then(UserId::number), Some(number));
        }
    }

    #[test]
    fn a_number_is_of_one_kind_of_thing() {
        let seven = [
            InventoryId::from_number(7).unwrap().0,
            BookingId::from_number(7).unwrap().0,
            UserId::from_number(7).unwrap().0,
            AirplaneId::from_number(7).unwrap().0,
            AirportId::from_number(7).unwrap().0,
            CityId::from_number(7).unwrap().0,
        ];
        let known_as = |id| {
            let ids = (InventoryId(id), BookingId(id), UserId(id), AirplaneId(id), AirportId(id), CityId(id));
            let ids = [
                ids.0.number(),
                ids.1.number(),
                ids.2.number(),
                ids.3.number(),
                ids.4.number(),
                ids.5.number(),
            ];
            ids.map(|number| number == Some(7))
        };
        for (kind, id) in seven.into_iter().enumerate() {
            assert_eq!(known_as(id), std::array::from_fn(|nth| nth == kind), "{id}");
        }
        assert_eq!(seven[4].to_string(), "00000000-0000-8005-8000-000000000007");
        let before_kinds = Uuid::from_u64_pair(NUMBER_MARK, VARIANT | 14);
        assert_eq!(known_as(before_kinds), [false; 6]);
    }

    /// Flights are numbered one after the other, and must not crowd in a part of the log.
    #[test]
    fn numbers_in_a_row_lie_in_partitions_in_a_row() {
        let partitions: Vec<_> =
            (14..18).map(|n| InventoryId::from_number(n).unwrap().log_partition(16)).collect();
        assert_eq!(partitions, [14, 15, 0, 1]);
    }

    #[test]
    fn a_number_that_does_not_fit_gets_no_id() {
        assert_eq!(UserId::from_number(1 << 61), None);
        assert_eq!(UserId::from_number(-(1 << 61) - 1), None);
        assert_eq!(UserId::from_number(i64::MIN), None);
    }

    #[test]
    fn an_ordinary_id_carries_no_number() {
        let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(InventoryId(id).number(), None);
    }
}
