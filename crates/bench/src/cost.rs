//! Which part of a system worked how long for a load.

use crate::{bench::Bench, figures::Sample, holdfast::Server, store::Store, usage, wrk::Load};

/// CPU seconds, so far or of a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    holdfast: f64,
    postgres: f64,
    /// The whole machine so far; of a while, what neither we nor the generator used: the kernel's interrupts, and
    /// whatever runs beside us.
    pub(crate) others: f64,
}

impl Cpu {
    /// So far.
    pub(crate) fn now(server: &Server, store: &Store) -> anyhow::Result<Self> {
        Ok(Self {
            holdfast: usage::cpu_of(server.pid())?,
            postgres: usage::cpu_of_family(store.postmaster())?,
            others: usage::cpu_of_machine(),
        })
    }

    /// Since `before`, in which the generator took so many seconds.
    pub(crate) fn since(self, before: Self, generator: f64) -> Self {
        let (holdfast, postgres) = (self.holdfast - before.holdfast, self.postgres - before.postgres);
        let others = self.others - before.others - holdfast - postgres - generator;
        Self { holdfast, postgres, others }
    }

    /// Adds what one request, called `each`, of `load` cost.
    pub(crate) fn add(self, bench: &mut Bench, section: &str, each: &str, load: &Load) {
        let parts = [("holdfast", self.holdfast), ("Postgres", self.postgres), ("wrk", load.cpu_seconds)];
        for (name, seconds) in parts {
            let name = format!("CPU per {each}: {name}");
            bench.add(Sample::new(section, &name, "µs", seconds * 1e6 / load.requests()));
        }
        bench.add(Sample::new(section, "CPU taken by all others", "cores", self.others / load.seconds));
    }
}
