//! Accounts, as Airbourne's clients know them: an integer, a token in `x-access-token`.

mod is_admin;
mod is_authenticated;
mod sign_in;
mod sign_up;

pub(crate) use is_admin::{__path_is_admin, is_admin};
pub(crate) use is_authenticated::{__path_is_authenticated, is_authenticated};
pub(crate) use sign_in::{__path_sign_in, sign_in};
pub(crate) use sign_up::{__path_sign_up, sign_up};

use super::{refusal::Refusal, request::Sent};
use axum::http::StatusCode;

/// What is said where e-mail or password is missing.
const MISSING: &str = "email or password is missing";

/// E-mail and password, both of them; the password spelled as NFC.
fn credentials(sent: &Sent) -> Result<(String, String), Refusal> {
    if sent.is_empty("email") || sent.is_empty("password") {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, MISSING));
    }
    let text = |name| Ok::<_, Refusal>(sent.text(name)?.unwrap_or_default().to_owned());
    Ok((text("email")?, text("password")?))
}
