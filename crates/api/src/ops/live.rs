//! `GET /health/live`: the process answers. It asks no other system: a process whose database is
//! gone must not be killed for it.

use super::OperatorProblems;

/// The process is alive.
#[utoipa::path(
    get, path = "/health/live", tag = "operator",
    responses((status = 200, description = "It is alive.", body = String, content_type = "text/plain"), OperatorProblems)
)]
pub(crate) async fn live() -> &'static str {
    "alive\n"
}
