//! Bookings to come of an account that is deleted: their cancellation.
//!
//! Shape of the loop: accounts whose bookings are to end → their live bookings in the read model whose flight or show has
//! not begun → each is cancelled by the writer, which decides. An account is done with when a look through finds none, and
//! the read model had all that the account can have made before that look.
//! Bounds: few accounts at a look, and a number of bookings of each; the rest comes with the next.

use anyhow::Context as _;
use holdfast_ambient::Ambient;
use holdfast_api::users::{EndedAccount, bookings_to_come, ended_accounts, forget};
use holdfast_booking_history::Booking;
use holdfast_domain::{CancelBooking, InventoryCommand};
use holdfast_event_log::LogPosition;
use holdfast_projector::Positions;
use holdfast_writer::{Ask, ExecuteError, Writer};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Accounts of one look.
const ACCOUNTS_MAX: u32 = 10;
/// Why they are cancelled.
const ACCOUNT_DELETED: &str = "account_deleted";
/// Who cancels them.
const METADATA: &str = r#"{"actor":"operator"}"#;

/// What the loop works with.
pub(crate) struct EndedAccounts {
    pub(crate) pool: PgPool,
    pub(crate) writer: Writer,
    pub(crate) ambient: Arc<dyn Ambient>,
    /// Of the read model of bookings.
    pub(crate) history: Positions,
}

impl EndedAccounts {
    /// Cancels what is to be cancelled, for ever.
    pub(crate) async fn run(self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::debug!("bookings of deleted accounts wait for the next look: {error:#}");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        let now = self.ambient.now();
        let accounts = ended_accounts(&self.pool, now, ACCOUNTS_MAX).await;
        for account in accounts.context("the list of deleted accounts could not be read")? {
            let is_complete = self.has_all_of(&account).await.context("read models do not answer")?;
            let bookings = bookings_to_come(&self.pool, account.user_id, now).await;
            let bookings = bookings.context("bookings cannot be read")?;
            for booking in &bookings {
                self.cancel(booking).await?;
            }
            if is_complete && bookings.is_empty() {
                forget(&self.pool, account.user_id).await.context("the account stays on the list")?;
            }
        }
        Ok(())
    }

    /// Whether the read model has every booking that the account can have made.
    async fn has_all_of(&self, account: &EndedAccount) -> Result<bool, sqlx::Error> {
        let Some(positions) = &account.positions else { return Ok(false) };
        for (log_partition, position) in (0u16..).zip(positions) {
            let at = LogPosition { log_partition, position: *position };
            if !self.history.wait_for(at, Duration::ZERO).await?.reached {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A booking that has ended meanwhile is left as it is; one that another server owns is left to it.
    async fn cancel(&self, booking: &Booking) -> Result<(), ExecuteError> {
        let command_id = self.ambient.new_id();
        let command =
            CancelBooking { booking_id: booking.booking_id, owner: None, reason: ACCOUNT_DELETED.to_owned() };
        let ask = Ask {
            command_id,
            fingerprint: command_id,
            keyed: false,
            inventory_id: booking.inventory_id,
            command: InventoryCommand::CancelBooking(command),
            metadata: METADATA.to_owned(),
        };
        match self.writer.execute(ask).await {
            Ok(_) | Err(ExecuteError::Refused(_) | ExecuteError::Unavailable) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
