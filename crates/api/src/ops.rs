//! For the operator: is it alive, is it ready, what does it count.

mod flow;
mod live;
mod look;
mod metrics;
mod ready;

pub use flow::{FollowerHealth, flow_health};
pub(crate) use live::{__path_live, live};
pub(crate) use look::StoreLook;
pub(crate) use metrics::{__path_metrics, metrics};
pub use ready::NamedProjector;
pub(crate) use ready::{__path_ready, ready};

use crate::problem::problems;

problems! {
    /// Why it would not be answered: only if we fail.
    OperatorProblems:
}
