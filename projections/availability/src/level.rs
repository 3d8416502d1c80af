//! How full an inventory is, in one word.

use holdfast_domain::{Counts, SalesState};

/// At or below one seat in so many, few are left.
const LOW_ONE_IN: u64 = 10;

/// How full an inventory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The flight is cancelled.
    Cancelled,
    /// Sales are closed.
    Closed,
    /// Every seat is sold or blocked.
    SoldOut,
    /// Nothing is left, but some seats are only on hold and may come back.
    Held,
    /// At most a tenth is left.
    Low,
    /// There are seats.
    Ok,
}

impl Level {
    /// The word used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
            Self::SoldOut => "sold_out",
            Self::Held => "held",
            Self::Low => "low",
            Self::Ok => "ok",
        }
    }
}

/// The level of these counts.
#[must_use]
pub fn level(counts: &Counts) -> Level {
    let left = u64::from(counts.available());
    match counts.sales {
        SalesState::Open => {}
        SalesState::Closed => return Level::Closed,
        SalesState::Cancelled => return Level::Cancelled,
    }
    if left == 0 && counts.held > 0 {
        Level::Held
    } else if left == 0 {
        Level::SoldOut
    } else if left * LOW_ONE_IN <= counts.authorized() {
        Level::Low
    } else {
        Level::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_100(held: u32, confirmed: u32) -> Counts {
        Counts { capacity: 100, held, confirmed, ..Counts::default() }
    }

    #[test]
    fn a_tenth_left_is_low_and_one_seat_more_is_not() {
        assert_eq!(level(&of_100(0, 89)), Level::Ok);
        assert_eq!(level(&of_100(0, 90)), Level::Low);
        assert_eq!(level(&of_100(0, 99)), Level::Low);
    }

    #[test]
    fn nothing_left_is_sold_out_unless_a_hold_may_come_back() {
        assert_eq!(level(&of_100(0, 100)), Level::SoldOut);
        assert_eq!(level(&of_100(1, 99)), Level::Held);
    }

    #[test]
    fn closed_sales_come_before_everything_else() {
        assert_eq!(level(&Counts { sales: SalesState::Closed, ..of_100(1, 99) }), Level::Closed);
        assert_eq!(level(&Counts { sales: SalesState::Cancelled, ..of_100(1, 99) }), Level::Cancelled);
    }

    #[test]
    fn seats_beyond_the_capacity_count_as_seats() {
        assert_eq!(level(&Counts { overbooking_allowance: 20, ..of_100(0, 100) }), Level::Ok);
    }
}
