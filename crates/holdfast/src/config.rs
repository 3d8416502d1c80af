//! Flags and environment: one typed configuration. A wrong value is named with what is allowed.

use crate::ops::Ops;
use crate::own_kafka::OwnKafka;
use crate::roles::status::Status;
use crate::runtimes::half_of_the_cores;
use crate::secrets;
use anyhow::Context as _;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use holdfast_api::{Origin, QuotaRule, RateLimits, users::Role as UserRole};
use holdfast_event_log::LogPosition;
use holdfast_messaging::Kafka;
use holdfast_notifier::{FromPosition, Mailbox, SMTP_CONNECTIONS_DEFAULT};
use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Environment name of the switch for the routes of the systems we replace.
const COMPAT: &str = "HOLDFAST_COMPAT";
/// Environment name of the data folder.
const DATA: &str = "HOLDFAST_DATA";
/// Environment name of a Postgres to use instead.
const DATABASE_URL: &str = "DATABASE_URL";
/// Folder of the embedded system when nothing is said.
const DATA_DEFAULT: &str = "./.holdfast";

/// An event-sourced booking backend: a seat is sold once, an answered booking is never lost, and every
/// screen can be rebuilt from the log.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Role,

    /// What is logged to standard error: error, warn, info, debug, trace, or a filter such as
    /// `info,holdfast_writer=debug`. Servers begin with info, other commands with warn.
    #[arg(long, global = true, env = "HOLDFAST_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// How log lines look.
    #[arg(long, global = true, env = "HOLDFAST_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// Where the security log goes, a JSON object on each line: a file, which is made for its owner alone and appended
    /// to (let logrotate copy and truncate it), or `stderr`. Without it its entries are part of the log, as
    /// `holdfast::security`.
    #[arg(long, global = true, env = "HOLDFAST_SECURITY_LOG", value_name = "FILE|stderr")]
    pub(crate) security_log: Option<SecurityLogTo>,
}

/// Where the security log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecurityLogTo {
    Stderr,
    File(PathBuf),
}

impl From<OsString> for SecurityLogTo {
    fn from(text: OsString) -> Self {
        if text == "stderr" { Self::Stderr } else { Self::File(text.into()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// An object for machines.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Everything in one process, with a Postgres cluster of its own. Needs nothing configured.
    Up(Up),
    /// The HTTP server with the writer.
    Api(Api),
    /// Copies the log into its Kafka topic, which is made if it is missing. Several may run.
    Relay {
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        kafka: KafkaAccess,
        #[command(flatten)]
        ops: Ops,
    },
    /// One read model's projector.
    Project {
        /// Which read model.
        name: Model,
        /// Where its events come from; it can be changed at any time.
        #[arg(long, env = "HOLDFAST_SOURCE", default_value = "log")]
        source: EventSource,
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        kafka: KafkaAccess,
        #[command(flatten)]
        ops: Ops,
    },
    /// How far the topic, the read models and the notifier are, at a glance. `=` stands for: as far as the log.
    Status(Status),
    /// Asks a process how it is: exit code 0 if URL answers 2xx, else 1.
    Health {
        /// Such as http://127.0.0.1:8080/health/ready.
        url: String,
    },
    /// Tells others what happened: webhooks, and mails. Several may run; they share the queue.
    Notify(Notify),
    /// Brings the database's tables up to date.
    Migrate {
        #[command(flatten)]
        access: Access,
        /// Partitions of a new log; fixed from then on.
        #[arg(long, env = "HOLDFAST_PARTITIONS", value_parser = clap::value_parser!(u16).range(1..=1024))]
        partitions: Option<u16>,
    },
    /// Builds a read model anew beside the live one, compares, and switches in one transaction.
    Rebuild {
        /// Which read model.
        name: Model,
        /// Switch even if the new rows differ from the live ones: after a fold was changed, or to repair.
        #[arg(long)]
        accept_difference: bool,
        #[command(flatten)]
        access: Access,
    },
    /// Reads the whole log and proves it: positions, sequences, the rules, and every read model.
    Verify {
        #[command(flatten)]
        access: Access,
        /// Also that the Kafka topic is the log, record by record.
        #[arg(long)]
        topic: bool,
        #[command(flatten)]
        kafka: KafkaAccess,
    },
    /// Events that could not be applied, and the streams that wait behind them.
    #[command(subcommand)]
    Parked(Parked),
    /// Looks into the log.
    #[command(subcommand)]
    Log(Log),
    /// Users.
    #[command(subcommand)]
    User(User),
}

impl Role {
    /// Threads of a server for commands; none: it is no server.
    pub(crate) fn worker_threads(&self) -> Option<usize> {
        match self {
            Self::Up(Up { http, .. }) | Self::Api(Api { http, .. }) => {
                Some(http.worker_threads.map_or_else(half_of_the_cores, usize::from))
            }
            _ => None,
        }
    }

    /// The log filter where none is given: servers tell what they do, commands print their result.
    pub(crate) fn log_default(&self) -> &'static str {
        match self {
            Self::Up(_) | Self::Api(_) | Self::Relay { .. } | Self::Project { .. } | Self::Notify(_) => {
                "info,sqlx=warn,librdkafka=error,rdkafka=off"
            }
            Self::Migrate { .. }
            | Self::Status(_)
            | Self::Health { .. }
            | Self::Rebuild { .. }
            | Self::Verify { .. }
            | Self::Parked(_)
            | Self::Log(_)
            | Self::User(_) => "warn",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Folder for everything this system keeps.
    #[arg(long, env = DATA, default_value = DATA_DEFAULT, value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) http: Http,
    #[command(flatten)]
    pub(crate) ops: Ops,
    /// Send the log to Kafka and build the read models from there: with a broker of its own in the data folder, or the one
    /// that KAFKA_BROKERS names. The own one needs Java and the folder with Kafka's jars, which `scripts/run` sets up.
    #[arg(long, env = "HOLDFAST_KAFKA")]
    pub(crate) kafka: bool,
    #[command(flatten)]
    pub(crate) kafka_access: KafkaAccess,
    #[command(flatten)]
    pub(crate) webhooks: Webhooks,
    #[command(flatten)]
    pub(crate) mails: MailOut,
    /// Without projectors: reads are stale and say so.
    #[arg(long, hide = true)]
    pub(crate) no_projectors: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Api {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) http: Http,
    #[command(flatten)]
    pub(crate) ops: Ops,
    /// File with the secret that signs tokens, at least 32 bytes; else HOLDFAST_TOKEN_SECRET holds the
    /// secret itself. Several, one on a line: the first signs, all verify.
    #[arg(long, env = "HOLDFAST_TOKEN_SECRET_FILE", value_name = "FILE")]
    pub(crate) token_secret_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) webhooks: Webhooks,
}

#[derive(Debug, Args)]
pub(crate) struct Notify {
    /// Where its events come from; it can be changed at any time.
    #[arg(long, env = "HOLDFAST_SOURCE", default_value = "kafka")]
    pub(crate) source: EventSource,
    /// Begin here and not where it was, or, the first time, at the end of the log: `all`, or the first event of each log
    /// partition, such as 0-17,3-1; others go on where they are. What was queued in the last 30 days is not queued again.
    /// It is done at every start, so leave it out of what starts by itself.
    #[arg(long, value_name = "all|P-N,P-N...")]
    pub(crate) from_position: Option<FromPosition>,
    #[command(flatten)]
    pub(crate) webhooks: Webhooks,
    #[command(flatten)]
    pub(crate) mails: MailOut,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) kafka: KafkaAccess,
    #[command(flatten)]
    pub(crate) ops: Ops,
}

/// What webhooks are signed with, and where they may go.
#[derive(Debug, Args)]
pub(crate) struct Webhooks {
    /// File with the key that the secrets of webhook endpoints are computed from, at least 32 bytes; else
    /// HOLDFAST_WEBHOOK_KEY holds the key itself. The same for all processes; in a data folder `up` makes one.
    #[arg(long, env = "HOLDFAST_WEBHOOK_KEY_FILE", value_name = "FILE")]
    pub(crate) webhook_key_file: Option<PathBuf>,
    /// Let webhooks go to private addresses and over plain HTTP: for development alone.
    #[arg(long, env = "HOLDFAST_WEBHOOKS_ALLOW_PRIVATE", default_value_t = false, action = ArgAction::Set,
          value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) webhooks_allow_private: bool,
}

/// Where mails go.
#[derive(Clone, Debug, Args)]
pub(crate) struct MailOut {
    /// Server that mails are handed to: smtps://HOST:PORT, smtp://HOST:PORT?tls=required (STARTTLS), or smtp://HOST:PORT.
    #[arg(long, env = "HOLDFAST_SMTP_URL", value_name = "URL")]
    pub(crate) smtp_url: Option<String>,
    /// Whom to sign in there as.
    #[arg(long, env = "HOLDFAST_SMTP_USER", value_name = "USER", requires = "smtp_url")]
    pub(crate) smtp_user: Option<String>,
    /// File with the password for that; else HOLDFAST_SMTP_PASSWORD holds the password itself.
    #[arg(long, env = "HOLDFAST_SMTP_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) smtp_password_file: Option<PathBuf>,
    /// File with the certificate (PEM) of an authority that is trusted there besides the public ones.
    #[arg(long, env = "HOLDFAST_SMTP_CA_FILE", value_name = "FILE", requires = "smtp_url")]
    pub(crate) smtp_ca_file: Option<PathBuf>,
    /// Connections to it that mails are handed over on at a time: so many for booking mails, and so many for reminders.
    #[arg(long, env = "HOLDFAST_SMTP_CONNECTIONS", value_name = "COUNT", default_value_t = SMTP_CONNECTIONS_DEFAULT,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) smtp_connections: u16,
    /// Who mails are from.
    #[arg(
        long,
        env = "HOLDFAST_MAIL_FROM",
        value_name = "ADDRESS",
        default_value = "bookings@holdfast.invalid",
        value_parser = mailbox
    )]
    pub(crate) mail_from: Mailbox,
    /// Folder that mails are put into, a file for each, where there is no server. Without it `up` puts them into its data
    /// folder, and `notify` writes none.
    #[arg(long, env = "HOLDFAST_MAIL_FOLDER", value_name = "FOLDER")]
    pub(crate) mail_folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT",
          value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Serve the routes of Airbourne and booking_monitor too. Some need no token: every program on this machine may book, and
    /// make, change and cancel flights by them. Not beside --trust-forwarded-for and not on another address than loopback,
    /// unless --compat-anywhere is given.
    #[arg(long, env = COMPAT, default_value_t = false, action = ArgAction::Set, value_name = "true|false",
          num_args = 0..=1, default_missing_value = "true")]
    pub(crate) compat: bool,
    /// Serve them on another address than loopback too, or behind a proxy. Every client that reaches the address may then book
    /// by booking_monitor's routes; Airbourne's catalogue and flights take an admin's token. Writes without a token that
    /// passed a proxy, or that a foreign page sent, are refused.
    #[arg(long, env = "HOLDFAST_COMPAT_ANYWHERE")]
    pub(crate) compat_anywhere: bool,
    /// Name of this server, without a port, that a browser may use in a write without a token, with --compat-anywhere. The
    /// address of --listen and loopback are known. Several: repeat it, or put commas between them.
    #[arg(
        long,
        env = "HOLDFAST_COMPAT_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        requires = "compat_anywhere"
    )]
    pub(crate) compat_host: Vec<String>,
    /// How long a token is good for, in seconds.
    #[arg(long, env = "HOLDFAST_TOKEN_SECONDS", default_value_t = 3_600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(60..=2_592_000))]
    pub(crate) token_seconds: u32,
    /// Take the last address of X-Forwarded-For for the client's, whose failures to sign in are counted: only behind a
    /// proxy that appends it, and where nobody can come past the proxy.
    #[arg(long, env = "HOLDFAST_TRUST_FORWARDED_FOR", default_value_t = false, action = ArgAction::Set,
          value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) trust_forwarded_for: bool,
    /// Pages of this origin, such as https://shop.example, may ask this server from a browser (CORS). Several: repeat it, or put
    /// commas between them. None may if it is left out.
    #[arg(long, env = "HOLDFAST_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) cors_origin: Vec<Origin>,
    /// A proxy speaks TLS before this server: every answer tells browsers to come over TLS alone for a year
    /// (Strict-Transport-Security).
    #[arg(long, env = "HOLDFAST_HSTS", default_value_t = false, action = ArgAction::Set,
          value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) hsts: bool,
    /// Password hashes computed at the same time, each on a core of its own; half of the cores if left out.
    #[arg(long, env = "HOLDFAST_HASHES_AT_ONCE", value_name = "NUMBER",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) hashes_at_once: Option<u16>,
    /// Connections of one client address at a time; more are closed at once. 1000 if left out, and no limit with
    /// --trust-forwarded-for: a connection has the proxy's address, and whom it speaks for is known only by its requests.
    #[arg(long, env = "HOLDFAST_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections_per_address: Option<u32>,
    /// Requests of one account by class: CLASS=REQUESTS/SECONDS, so many at once and earned back evenly over so many seconds;
    /// CLASS=off, or off for all. Classes: read, search, hold, pay (confirm and cancel), sign_up (and new passwords), admin
    /// (every other write). What is not named stays: read=6000/60,search=3000/60,hold=1200/60,pay=2400/60,sign_up=30/60,
    /// admin=6000/60.
    #[arg(
        long,
        env = "HOLDFAST_LIMIT_ACCOUNT",
        value_name = "CLASS=REQUESTS/SECONDS,...",
        value_delimiter = ','
    )]
    pub(crate) limit_account: Vec<QuotaRule>,
    /// The same of one client address (IPv6: one /64), with and without tokens. What is not named stays:
    /// read=60000/60,search=30000/60,hold=12000/60,pay=24000/60,sign_up=300/60,admin=60000/60.
    #[arg(
        long,
        env = "HOLDFAST_LIMIT_ADDRESS",
        value_name = "CLASS=REQUESTS/SECONDS,...",
        value_delimiter = ','
    )]
    pub(crate) limit_address: Vec<QuotaRule>,
    /// Limit programs on this machine, too. Without it requests from loopback are limited only if they passed a proxy: by
    /// account, and with --trust-forwarded-for by address as well.
    #[arg(long, env = "HOLDFAST_LIMIT_LOOPBACK", default_value_t = false, action = ArgAction::Set,
          value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) limit_loopback: bool,
    /// Threads that serve requests and decide commands; searches and what follows the log have as many of their own. Half
    /// of the cores if left out: Postgres needs the others.
    #[arg(long, env = "HOLDFAST_WORKER_THREADS", value_name = "NUMBER",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) worker_threads: Option<u16>,
    /// Tasks that append to the log, each with a connection of its own.
    #[arg(long, env = "HOLDFAST_FLUSHERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) flushers: u16,
    /// Commands that may wait for one log partition; more are answered 503 at once.
    #[arg(long, env = "HOLDFAST_QUEUE_COMMANDS", default_value_t = 2_048,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) queue_commands: u32,
    /// Bookings kept in memory; idle inventories leave first.
    #[arg(long, env = "HOLDFAST_MEMORY_BOOKINGS", default_value_t = 4_000_000,
          value_parser = clap::value_parser!(u32).range(1_000..))]
    pub(crate) memory_bookings: u32,
}

impl Http {
    /// Refuses to serve routes without a token to clients that cannot be told from programs on this machine.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Self { listen, compat, compat_anywhere, trust_forwarded_for, .. } = self;
        if !compat || *compat_anywhere {
            return Ok(());
        }
        anyhow::ensure!(
            listen.ip().is_loopback(),
            "--compat serves routes that need no token; with --listen {listen} everyone who reaches it may book. \
             Listen on loopback, or say --compat-anywhere"
        );
        anyhow::ensure!(
            !trust_forwarded_for,
            "--compat serves routes that need no token; with --trust-forwarded-for it is behind a proxy, and everyone who \
             reaches that may book. Leave one of them out, or say --compat-anywhere"
        );
        Ok(())
    }

    /// Names and addresses of this server for browsers, besides loopback.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let mut hosts = self.compat_host.clone();
        hosts.push(self.listen.ip().to_string());
        hosts
    }

    /// Connections of one address, where that is limited otherwise than usual.
    pub(crate) fn connections_per_address(&self) -> Option<usize> {
        let unlimited = self.trust_forwarded_for.then_some(usize::MAX);
        self.connections_per_address.and_then(|count| usize::try_from(count).ok()).or(unlimited)
    }

    /// How many requests an account and an address may make.
    pub(crate) fn rate_limits(&self) -> RateLimits {
        let RateLimits { by_account, by_address, .. } = RateLimits::default();
        RateLimits {
            by_account: by_account.with(&self.limit_account),
            by_address: by_address.with(&self.limit_address),
            loopback: self.limit_loopback,
        }
    }

    /// Whether requests without an admin's token may change Airbourne's catalogue.
    pub(crate) fn catalogue_is_open(&self) -> bool {
        self.listen.ip().is_loopback() && !self.trust_forwarded_for
    }
}

/// An address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "give an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080")
}

fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    text.parse()
        .map_err(|_| "give an address, such as tickets@example.com or \"Tickets <tickets@example.com>\"")
}

/// Which system a subcommand works on: an embedded one, running or not, or a database.
///
/// The environment is read by [`Access::target`] and not by clap, to which a variable and a flag are the same.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Folder of an embedded system, whether it is running or not. Without a flag HOLDFAST_DATA is used,
    /// without that DATABASE_URL, and without that ./.holdfast.
    #[arg(long, value_name = "FOLDER", conflicts_with = "database_url")]
    pub(crate) data: Option<PathBuf>,
    /// Postgres to use instead, such as postgres://user@host/database; or DATABASE_URL.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

/// How Kafka is reached.
#[derive(Debug, Args)]
pub(crate) struct KafkaAccess {
    /// Kafka's brokers, such as 127.0.0.1:9092,127.0.0.1:9093.
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT,...")]
    kafka_brokers: Option<String>,
    /// File with settings for Kafka's client, NAME=VALUE a line: any of librdkafka's, such as security.protocol,
    /// ssl.ca.location, sasl.mechanism, sasl.username and sasl.password. Lines with # are comments.
    #[arg(long, env = "HOLDFAST_KAFKA_SETTINGS_FILE", value_name = "FILE")]
    kafka_settings_file: Option<PathBuf>,
}

impl KafkaAccess {
    /// The cluster that flags or environment name.
    pub(crate) fn kafka(&self) -> anyhow::Result<Kafka> {
        self.kafka_if_given()?.context(
            "which Kafka? Give --kafka-brokers HOST:PORT or KAFKA_BROKERS; `scripts/kafka start` runs one here",
        )
    }

    /// The same, where it can be done without.
    fn kafka_if_given(&self) -> anyhow::Result<Option<Kafka>> {
        self.brokers().map(|brokers| self.kafka_at(brokers)).transpose()
    }

    /// The cluster that flags or environment name, else the one that runs in the data folder of `access`.
    pub(crate) fn kafka_of(&self, access: &Access) -> anyhow::Result<Option<Kafka>> {
        if let Some(given) = self.kafka_if_given()? {
            return Ok(Some(given));
        }
        let Target::Folder(data) = access.target()? else { return Ok(None) };
        OwnKafka::running_in(&data).map(|brokers| self.kafka_at(&brokers)).transpose()
    }

    /// The brokers that flags or environment name.
    pub(crate) fn brokers(&self) -> Option<&str> {
        self.kafka_brokers.as_deref().filter(|brokers| !brokers.trim().is_empty())
    }

    /// The cluster at these brokers.
    pub(crate) fn kafka_at(&self, brokers: &str) -> anyhow::Result<Kafka> {
        let settings = match &self.kafka_settings_file {
            Some(file) => settings_in(file)?,
            None => vec![],
        };
        Ok(Kafka::new(brokers, settings)?)
    }
}

fn settings_in(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = secrets::read("Kafka's settings", file)?;
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            // The line itself may be a password.
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("line {number} of {} is not NAME=VALUE", file.display()))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// Where a projector's events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventSource {
    /// The log in Postgres.
    Log,
    /// Its copy in Kafka; projectors of one name share the partitions.
    Kafka,
}

/// Where the log of a subcommand is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// In an embedded system.
    Folder(PathBuf),
    /// In the Postgres of this URL.
    Database(String),
}

impl Access {
    /// What the flags name, else the environment, else the default folder.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        self.target_in(|name| std::env::var_os(name))
    }

    fn target_in(&self, environment: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Target> {
        if let Some(data) = &self.data {
            return Ok(Target::Folder(data.clone()));
        }
        if let Some(url) = &self.database_url {
            return Ok(Target::Database(url.clone()));
        }
        let set = |name| environment(name).filter(|value| !value.is_empty());
        if let Some(data) = set(DATA) {
            return Ok(Target::Folder(data.into()));
        }
        match set(DATABASE_URL).map(OsString::into_string) {
            Some(Ok(url)) => Ok(Target::Database(url)),
            Some(Err(_)) => anyhow::bail!("{DATABASE_URL} is not UTF-8"),
            None => Ok(Target::Folder(PathBuf::from(DATA_DEFAULT))),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Parked {
    /// Prints the streams that wait, each with the event that holds it up and why, and the events that were skipped.
    List {
        #[command(flatten)]
        access: Access,
    },
    /// Applies what waits, in order: after a new build, or a repair. What still cannot be applied goes on waiting.
    Retry {
        /// Where it waits.
        name: Follower,
        /// Only this stream: an inventory's id.
        #[arg(long, value_name = "ID")]
        stream: Option<String>,
        #[command(flatten)]
        access: Access,
    },
    /// Leaves out for good the event that holds a stream up, and applies what waits behind it.
    Skip {
        /// Where it waits.
        name: Follower,
        /// The event's position, such as 7-1234.
        #[arg(value_name = "POSITION")]
        at: LogPosition,
        /// Why it is left out; kept, and shown by `list`.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        access: Access,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Prints events, a JSON line each: partition by partition, in each the oldest first.
    Tail {
        #[command(flatten)]
        access: Access,
        /// Only this partition.
        #[arg(long)]
        partition: Option<u16>,
        /// Events per partition, from the end.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..=100_000))]
        lines: i64,
        /// Go on as events come.
        #[arg(long)]
        follow: bool,
    },
    /// Prints one event, or all events of an inventory or a booking.
    Show {
        #[command(flatten)]
        access: Access,
        /// A position such as 7-1234, an inventory's id, or a booking's id.
        what: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Gives a user a role: customer, agent or admin. Running servers know it within 5 seconds.
    Grant {
        /// E-mail address.
        email: String,
        /// The role.
        role: UserRole,
        #[command(flatten)]
        access: Access,
    },
    /// Gives a user another password: the first line of standard input.
    Password {
        /// E-mail address.
        email: String,
        #[command(flatten)]
        access: Access,
    },
    /// Deletes a user. Its bookings stay in the log, under an id that leads to no account any more. Refused where it has live
    /// bookings of flights and shows to come, unless one of the two flags says what becomes of them.
    Delete {
        /// E-mail address.
        email: String,
        #[command(flatten)]
        bookings: BookingsToCome,
        #[command(flatten)]
        access: Access,
    },
}

/// What becomes of the bookings to come of an account that is deleted.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct BookingsToCome {
    /// Bookings to come stay as they are.
    #[arg(long, conflicts_with = "cancel_bookings")]
    keep_bookings: bool,
    /// Bookings to come are cancelled, by the server that runs or the next that starts.
    #[arg(long)]
    cancel_bookings: bool,
}

/// The same, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BookingsFate {
    Undecided,
    Kept,
    Cancelled,
}

impl BookingsToCome {
    pub(crate) fn fate(self) -> BookingsFate {
        match self {
            Self { cancel_bookings: true, .. } => BookingsFate::Cancelled,
            Self { keep_bookings: true, .. } => BookingsFate::Kept,
            Self { .. } => BookingsFate::Undecided,
        }
    }
}

/// Who makes something of the log's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Follower {
    Availability,
    BookingHistory,
    Notifier,
}

/// The read models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    Availability,
    BookingHistory,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use holdfast_api::{Class, Quota, Quotas};

    fn target(flags: &[&str], environment: &[(&str, &str)]) -> Target {
        let cli = Cli::try_parse_from(["holdfast", "verify"].iter().chain(flags)).unwrap();
        let Role::Verify { access, .. } = cli.role else { panic!("verify") };
        let value = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, v)| v.into());
        access.target_in(value).unwrap()
    }

    fn http(flags: &[&str]) -> clap::error::Result<Http> {
        let cli = Cli::try_parse_from(["holdfast", "up"].iter().chain(flags))?;
        let Role::Up(up) = cli.role else { panic!("up") };
        Ok(up.http)
    }

    #[test]
    fn limits_are_changed_word_by_word_and_what_help_says_they_are_is_what_they_are() {
        let usual = http(&[]).unwrap().rate_limits();
        assert_eq!(usual, RateLimits::default());
        let flags = ["--limit-account", "hold=5/2,read=off", "--limit-address", "off", "--limit-loopback"];
        let changed = http(&flags).unwrap().rate_limits();
        let hold = Quota::new(5, 2);
        let by_account = Quotas { hold, read: None, ..usual.by_account };
        assert_eq!(changed, RateLimits { by_account, by_address: Quotas::OFF, loopback: true });
        let refused = http(&["--limit-address", "hold=1"]).unwrap_err().to_string();
        assert!(refused.contains("CLASS=REQUESTS/SECONDS") && refused.contains("sign_up"), "{refused}");

        let command = Cli::command();
        let command = command.find_subcommand("up").unwrap();
        for (flag, quotas) in [("limit_account", usual.by_account), ("limit_address", usual.by_address)] {
            let argument = command.get_arguments().find(|argument| argument.get_id() == flag).unwrap();
            let help = argument.get_help().unwrap().to_string().replace(", ", ",");
            for class in Class::ALL {
                let quota = quotas.of(class).unwrap().to_string().replace(" in ", "/").replace(" s", "");
                let word = format!("{}={quota}", class.as_str());
                assert!(help.contains(&word), "the help of {flag} lacks {word}");
            }
        }
    }

    /// A shell that exports HOLDFAST_DATA must not turn `--database-url` into a look at another system.
    #[test]
    fn a_flag_beats_the_environment_and_the_environment_the_default() {
        let (folder, database) = (|f: &str| Target::Folder(f.into()), |u: &str| Target::Database(u.into()));
        let both = [(DATA, "/env"), (DATABASE_URL, "postgres://env")];
        assert_eq!(target(&["--database-url", "postgres://flag"], &both), database("postgres://flag"));
        assert_eq!(target(&["--data", "/flag"], &both), folder("/flag"));
        assert_eq!(target(&[], &both), folder("/env"));
        assert_eq!(target(&[], &[(DATA, ""), both[1]]), database("postgres://env"));
        assert_eq!(target(&[], &[]), folder(DATA_DEFAULT));
    }
}
