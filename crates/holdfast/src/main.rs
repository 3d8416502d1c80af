//! The executable: one program, many roles.
//!
//! Guarantee: exit code 0 means that what was asked is done; every other end says why on standard error.

mod config;
mod keeper;
mod models;
mod progress;
mod roles;
mod services;
mod signals;
mod system;

use clap::Parser as _;
use config::{Cli, LogFormat, Role, User};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Many small allocations on every request: this allocator gives their pages back less often.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = cli.log.as_deref().unwrap_or_else(|| cli.role.log_default());
    if let Err(error) = log_to_stderr(filter, cli.log_format) {
        eprintln!("holdfast: --log {filter}: {error}");
        return ExitCode::FAILURE;
    }
    match run(cli.role).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(role: Role) -> anyhow::Result<()> {
    match role {
        Role::Up(up) => roles::up::run(up).await,
        Role::Api(api) => roles::api::run(api).await,
        Role::Project { name, access } => roles::project::run(name, &access).await,
        Role::Migrate { access, partitions } => roles::migrate::run(&access, partitions).await,
        Role::Rebuild { name, accept_difference, access } => {
            roles::rebuild::run(name, accept_difference, &access).await
        }
        Role::Verify { access } => roles::verify::run(&access).await,
        Role::Log(command) => roles::log::run(&command).await,
        Role::User(User::Grant { email, role, access }) => roles::user::grant(&email, role, &access).await,
        Role::User(User::Delete { email, access }) => roles::user::delete(&email, &access).await,
    }
}

fn log_to_stderr(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
