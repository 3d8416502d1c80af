//! The way to the writer. It never lets an accepted command be answered with "nothing was done".
//!
//! Guarantee: what was accepted is given to a function whose only error is [`AnswerLost`], and that becomes
//! `outcome_unknown` and nothing else. So whatever fails after the commit (another read, a bug of ours), the client
//! is asked to send the request again, and gets the answer then.
//! Not here: commands' names (`command`), and what they are answered with (the handlers).

use crate::problem::StoreError;
use holdfast_domain::{Booking, BookingId, InventoryId};
use holdfast_writer::{Accepted, Ask, ExecuteError, InventoryView, Writer, WriterStatus};
use std::error::Error;
use tracing::{error, warn};

/// A command was accepted, and its answer could not be made. What failed is logged where this is made.
#[derive(Debug)]
pub(crate) struct AnswerLost(());

impl AnswerLost {
    /// What was accepted is not what this command makes: a fault of ours.
    pub(crate) fn because(wrong: &'static str) -> Self {
        error!(wrong, "a command was accepted, and its answer makes no sense");
        Self(())
    }

    fn read(error: &(dyn Error + 'static)) -> Self {
        warn!(error, "a command was accepted, and its answer could not be read");
        Self(())
    }
}

impl From<StoreError> for AnswerLost {
    fn from(error: StoreError) -> Self {
        Self::read(&error)
    }
}

impl From<ExecuteError> for AnswerLost {
    fn from(error: ExecuteError) -> Self {
        Self::read(&error)
    }
}

/// The writer, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct Commands(Writer);

impl Commands {
    pub(crate) fn new(writer: Writer) -> Self {
        Self(writer)
    }

    /// Executes a command. Once it is accepted, `answer` makes the answer.
    ///
    /// # Errors
    /// Those of [`Writer::execute`], and for a lost answer `OutcomeUnknown`.
    pub(crate) async fn execute<T>(
        &self,
        ask: Ask,
        answer: impl AsyncFnOnce(Accepted) -> Result<T, AnswerLost>,
    ) -> Result<T, ExecuteError> {
        let accepted = self.0.execute(ask).await?;
        answer(accepted).await.map_err(|AnswerLost(())| ExecuteError::OutcomeUnknown)
    }

    /// See [`Writer::inventory`].
    pub(crate) async fn inventory(&self, id: InventoryId) -> Result<InventoryView, ExecuteError> {
        self.0.inventory(id).await
    }

    /// See [`Writer::booking`].
    pub(crate) async fn booking(&self, of: InventoryId, id: BookingId) -> Result<Booking, ExecuteError> {
        self.0.booking(of, id).await
    }

    /// See [`Writer::status`].
    pub(crate) fn status(&self) -> WriterStatus {
        self.0.status()
    }
}
