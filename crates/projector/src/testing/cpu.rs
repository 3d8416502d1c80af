//! Processor time, which a busy machine does not distort as it does the clock.

use sqlx::PgPool;
use std::{fs, path::Path, time::Duration};

/// Processor time used so far, here and by Postgres for this database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) here: Duration,
    pub(crate) postgres: Duration,
}

impl Cpu {
    /// Of this process and of all its backends but the one that is named. Linux only.
    pub(crate) async fn used(pool: &PgPool, but: i32) -> Self {
        let sql = "SELECT pid FROM pg_stat_activity \
                   WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> $1";
        let backends: Vec<i32> =
            sqlx::query_scalar(sql).bind(but).fetch_all(pool).await.expect("it is listed");
        let postgres = backends.iter().map(|pid| running(Path::new(&format!("/proc/{pid}")))).sum();
        let threads = fs::read_dir("/proc/self/task").expect("a process has threads");
        let here = threads.map(|thread| running(&thread.expect("a thread has a name").path())).sum();
        Self { here, postgres }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        let Self { here, postgres } = before;
        Self { here: self.here.saturating_sub(here), postgres: self.postgres.saturating_sub(postgres) }
    }
}

impl std::ops::AddAssign for Cpu {
    fn add_assign(&mut self, more: Self) {
        self.here += more.here;
        self.postgres += more.postgres;
    }
}

/// Nanoseconds on a processor: the first number of `schedstat`. None for a process that has just ended.
fn running(process: &Path) -> Duration {
    let schedstat = fs::read_to_string(process.join("schedstat")).unwrap_or_default();
    let nanos = schedstat.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
