//! `holdfast rebuild NAME`: builds a read model anew from the log, beside the live one, and switches.

use crate::config::{Access, Model};
use crate::models;
use crate::out;
use crate::system::System;
use anyhow::bail;

pub(crate) async fn run(model: Model, accept_difference: bool, access: &Access) -> anyhow::Result<()> {
    let rebuild = async |system: &System| model.rebuild(&system.pool, accept_difference).await;
    let (name, rebuilt) = (model.name(), System::with_all_of(access, rebuild).await?);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = rebuilt.events as f64 / rebuilt.build_seconds.max(f64::EPSILON);
    out::line(format_args!(
        "{name}: {} events folded in {:.2} s ({rate:.0}/s), {:.2} s in all",
        rebuilt.events, rebuilt.build_seconds, rebuilt.seconds
    ));
    for difference in &rebuilt.differences {
        out::line(format_args!("{}", models::in_words(name, difference)));
    }
    if rebuilt.parked_streams > 0 {
        out::line(format_args!(
            "{name}: {} streams are parked, because an event of theirs cannot be applied",
            rebuilt.parked_streams
        ));
    }
    if rebuilt.parks_more && !rebuilt.switched {
        bail!(
            "the new {name} lacks streams that the live one has, or that nothing was compared with; it is not switched. \
             A build that knows their events mends it, or `holdfast rebuild {name} --accept-difference`, \
             then `holdfast parked list`"
        );
    }
    match (rebuilt.compared, rebuilt.differences.is_empty(), rebuilt.switched) {
        (true, true, true) => {
            out::line(format_args!("{name}: {} rows equal to the live ones; switched", rebuilt.rows))
        }
        (false, _, true) => {
            out::line(format_args!("{name}: there was no live read model to compare with; switched"))
        }
        (_, _, true) => out::line(format_args!("{name}: rows differ from the live ones; switched, as asked")),
        (_, _, false) => bail!(
            "the new rows of {name} differ from the live ones, which stay; look at them, then \
             `holdfast rebuild {name} --accept-difference`"
        ),
    }
    Ok(())
}
