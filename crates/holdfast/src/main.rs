//! The executable: one program, many roles.
//!
//! Guarantee: exit code 0 means that what was asked is done; every other end says why on standard error.

#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(test)]
mod compose;
mod config;
mod descriptors;
mod ended_accounts;
mod first_admin;
mod keeper;
mod logging;
mod models;
mod notifying;
mod ops;
mod out;
mod own_kafka;
mod progress;
mod prometheus;
mod roles;
mod runtimes;
mod secrets;
mod services;
mod signals;
mod system;

use clap::Parser as _;
use config::{Cli, Role, Target, User};
use runtimes::Runtimes;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Handle;

/// Many small allocations on every request: this allocator gives their pages back less often.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the process waits at its end for what blocks a thread, such as a question to a broker that is gone. Nothing
/// waits for it any more.
const BLOCKING_MAX: Duration = Duration::from_millis(500);
/// What a server makes in its data folder, besides its Postgres.
const OURS: [&str; 5] = [
    roles::TOKEN_SECRET_FILE,
    first_admin::PASSWORD_FILE,
    notifying::KEY_FILE,
    notifying::MAIL_FOLDER,
    own_kafka::FOLDER,
];

fn main() -> ExitCode {
    descriptors::raise_limit();
    let mut cli = Cli::parse();
    // While there is one thread: one that is there already would keep root's rights.
    if let Err(error) = leave_root(&mut cli.role) {
        out::complain(format_args!("holdfast: {}", in_words(&error)));
        return ExitCode::FAILURE;
    }
    let runtimes = match Runtimes::start(cli.role.worker_threads()) {
        Ok(runtimes) => runtimes,
        Err(error) => {
            out::complain(format_args!("holdfast: no thread could be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtimes.main.block_on(start(cli, runtimes.beside.handle()));
    runtimes.beside.shutdown_timeout(BLOCKING_MAX);
    runtimes.main.shutdown_timeout(BLOCKING_MAX);
    code
}

/// A server on a data folder keeps none of root's rights: it becomes the user that its Postgres runs as.
fn leave_root(role: &mut Role) -> anyhow::Result<()> {
    let (data, mails) = match role {
        Role::Up(up) => (&mut up.data, up.mails.mail_folder.as_deref()),
        Role::Api(api) => match api.access.target()? {
            Target::Folder(folder) => (api.access.data.insert(folder), None),
            Target::Database(_) => return Ok(()),
        },
        _ => return Ok(()),
    };
    if holdfast_cluster::leave_root(data, &OURS, mails)?.is_some() {
        // Where we stand may be closed to the account.
        *data = data.canonicalize()?;
    }
    Ok(())
}

async fn start(cli: Cli, beside: &Handle) -> ExitCode {
    let filter = cli.log.as_deref().unwrap_or_else(|| cli.role.log_default());
    let security_log = match logging::start(filter, cli.log_format, cli.security_log.as_ref()) {
        Ok(security_log) => security_log,
        Err(error) => {
            out::complain(format_args!("holdfast: {}", in_words(&error)));
            return ExitCode::FAILURE;
        }
    };
    let ended = run(cli.role, beside).await;
    if let Some(security_log) = security_log {
        security_log.finish();
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(format_args!("holdfast: {}", in_words(&error)));
            ExitCode::FAILURE
        }
    }
}

async fn run(role: Role, beside: &Handle) -> anyhow::Result<()> {
    match role {
        Role::Up(up) => roles::up::run(up, beside).await,
        Role::Api(api) => roles::api::run(api, beside).await,
        Role::Relay { access, kafka, ops } => roles::relay::run(&access, &kafka, &ops).await,
        Role::Project { name, source, access, kafka, ops } => {
            roles::project::run(name, source, &access, &kafka, &ops).await
        }
        Role::Status(status) => roles::status::run(&status).await,
        Role::Health { url } => roles::health::run(&url).await,
        Role::Notify(notify) => roles::notify::run(&notify).await,
        Role::Migrate { access, partitions } => roles::migrate::run(&access, partitions).await,
        Role::Rebuild { name, accept_difference, access } => {
            roles::rebuild::run(name, accept_difference, &access).await
        }
        Role::Verify { access, topic, kafka } => roles::verify::run(&access, topic.then_some(&kafka)).await,
        Role::Parked(command) => roles::parked::run(&command).await,
        Role::Log(command) => roles::log::run(&command).await,
        Role::User(User::Grant { email, role, access }) => roles::user::grant(&email, role, &access).await,
        Role::User(User::Password { email, access }) => roles::user::password(&email, &access).await,
        Role::User(User::Delete { email, bookings, access }) => {
            roles::user::delete(&email, bookings.fate(), &access).await
        }
    }
}

/// The error with its causes. Some of them repeat their own cause; that is said once.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |words, cause| {
        let cause = cause.to_string();
        if words.ends_with(&cause) { words } else { format!("{words}: {cause}") }
    })
}
