//! What is written about a show that moved.

use holdfast_domain::{ShowRescheduled, ShowSchedule};

/// Whether the show itself has moved. A sale that ends at another time alone concerns no booking, nor does the zone of a show
/// whose start is not known.
pub(crate) fn has_moved(ShowRescheduled { old, new }: &ShowRescheduled) -> bool {
    old.starts_at != new.starts_at || (new.starts_at.is_some() && old.zone != new.zone)
}

/// What happened to the show of that name.
pub(crate) fn moved(name: &str, ShowRescheduled { old, new }: &ShowRescheduled) -> String {
    match (start(old), new.starts_at) {
        (Some(before), Some(_)) => format!("{name}, which was to begin on {before}, has a new time."),
        (Some(before), None) => {
            format!("{name}, which was to begin on {before}, is postponed; its new time is not known yet.")
        }
        (None, _) => format!("{name} has a new time."),
    }
}

/// When it begins, if that is known.
pub(crate) fn facts(to: &ShowSchedule) -> Option<(&'static str, String)> {
    start(to).map(|start| ("Start", start))
}

/// The start as the clocks of the venue show it.
fn start(ShowSchedule { starts_at, zone, .. }: &ShowSchedule) -> Option<String> {
    starts_at.map(|at| crate::booking_letter::shown(at, zone.as_deref().unwrap_or("UTC")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(starts_at: Option<&str>, sales_end_at: Option<&str>) -> ShowSchedule {
        let at = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let zone = Some("Europe/Berlin".to_owned());
        ShowSchedule { starts_at: at(starts_at), zone, sales_end_at: at(sales_end_at) }
    }

    #[test]
    fn a_postponed_show_is_said_to_have_no_time_yet() {
        let old = schedule(Some("2031-06-01T17:30:00Z"), None);
        let event = ShowRescheduled { old, new: schedule(None, None) };
        let text = "Hamlet, which was to begin on 2031-06-01 19:30 +02:00 (Europe/Berlin), is postponed; its new time is \
                    not known yet.";
        assert_eq!(moved("Hamlet", &event), text);
        assert_eq!(facts(&event.new), None);
    }

    #[test]
    fn another_end_of_the_sale_moves_no_show() {
        let start = Some("2031-06-01T17:30:00Z");
        let event =
            |old: Option<&str>, new| ShowRescheduled { old: schedule(start, old), new: schedule(new, start) };
        assert!(!has_moved(&event(None, start)));
        assert!(has_moved(&event(start, None)));
    }
}
