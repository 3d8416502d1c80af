//! Waiting for Postgres, but not for long.

use crate::problem::{Problem, StoreError};
use std::time::Duration;
use tokio::time::timeout;

/// How long a request waits for Postgres, the wait for a connection included: when Postgres is gone,
/// its clients know within a second.
pub(crate) const STORE_MILLISECONDS_MAX: u64 = 900;

/// Awaits a question to Postgres within the bound.
pub(crate) async fn bounded<T, E>(question: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
where
    StoreError: From<E>,
{
    let answer = timeout(Duration::from_millis(STORE_MILLISECONDS_MAX), question).await;
    Ok(answer.map_err(|_| StoreError::Timeout)??)
}

/// Awaits work of a layer that tells its own errors, within the same bound.
pub(crate) async fn bounded_work<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
where
    Problem: From<E>,
{
    let answer = timeout(Duration::from_millis(STORE_MILLISECONDS_MAX), work).await;
    Ok(answer.map_err(|_| StoreError::Timeout)??)
}

/// Awaits a write, within the same bound. One that is not answered has perhaps been done: `outcome_unknown`.
pub(crate) async fn bounded_write<T, E>(write: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
where
    Problem: From<E>,
{
    bounded_work(write).await.map_err(Problem::of_write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_answers_is_given_up() {
        let never = std::future::pending::<Result<(), sqlx::Error>>();
        assert!(matches!(bounded(never).await, Err(StoreError::Timeout)));
    }
}
