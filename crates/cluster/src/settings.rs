//! What we tell Postgres beyond its defaults: one file, written anew at each start.
//!
//! Guarantee: durability is never traded. `fsync`, `full_page_writes` and `synchronous_commit` are on, in the tests
//! too, so that what is measured and killed there is what runs.

use std::path::{Path, PathBuf};

/// Name of our file inside the cluster; `postgresql.conf` includes it last.
pub(crate) const FILE: &str = "holdfast.conf";

/// The number in the socket's name; there is no TCP port.
pub(crate) const PORT: u16 = 5432;

/// What a caller may choose about its cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory for table pages. 256 MiB holds the hot end of the log and every index page the writer touches.
    pub shared_buffers_mib: u32,
    /// Connections that Postgres accepts; each costs a few MiB, so it is a bound on memory.
    pub connections_max: u16,
    /// Folder of the Postgres programs; without it `HOLDFAST_PG_BIN`, `PATH` and Debian's folders are searched.
    pub programs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { shared_buffers_mib: 256, connections_max: 100, programs: None }
    }
}

/// The text of our configuration file.
pub(crate) fn render(options: &Options, socket_folder: &Path, lz4: bool) -> String {
    let socket_folder = quoted(&format!("\"{}\"", socket_folder.display().to_string().replace('"', "\"\"")));
    let Options { shared_buffers_mib, connections_max, .. } = options;
    let wal_compression = if lz4 { "lz4" } else { "on" };
    format!(
        "\
# Written by holdfast at each start; changes are lost. Your own settings belong into postgresql.auto.conf
# (ALTER SYSTEM), which is read after this file.

# The only way in is the socket below, in a folder that only the server's user and root can enter.
listen_addresses = ''
port = {PORT}
unix_socket_directories = {socket_folder}
unix_socket_permissions = 0700
max_connections = {connections_max}
cluster_name = 'holdfast'

# An answered booking is on disk.
fsync = on
full_page_writes = on
synchronous_commit = on

# Bookings are many small commits: fewer bytes per commit, and checkpoints far apart.
wal_compression = {wal_compression}
wal_buffers = 16MB
min_wal_size = 1GB
max_wal_size = 4GB
checkpoint_timeout = 15min
shared_buffers = {shared_buffers_mib}MB

# Our statements are short; compiling them costs more than it saves.
jit = off

# A client that is gone frees its connection and its locks.
client_connection_check_interval = 2s

# The log only grows: keep its visibility map and statistics fresh without waiting for a fifth of it to be new.
autovacuum_vacuum_insert_threshold = 10000
autovacuum_vacuum_insert_scale_factor = 0.02
autovacuum_analyze_scale_factor = 0.02

# The log has no values of rows: the key of a row that is there already may be an address.
log_error_verbosity = terse

# Instants are UTC, everywhere.
timezone = 'UTC'
log_timezone = 'UTC'
"
    )
}

/// A value in the quotes of `postgresql.conf`.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_quotes_commas_and_backslashes_stays_one_folder() {
        let text = render(&Options::default(), Path::new(r#"/a,b/it's "x"\run"#), true);
        assert!(text.contains(r#"unix_socket_directories = '"/a,b/it''s ""x""\\run"'"#), "{text}");
    }

    /// Who measures or breaks one of the two has measured or broken both.
    #[test]
    fn the_postgres_of_docker_compose_has_the_same_settings() {
        let ours = render(&Options::default(), Path::new("/run"), true);
        let compose = include_str!("../../../docker-compose.yml");
        let theirs: Vec<_> = compose.lines().filter_map(|line| line.trim().strip_prefix("-c ")).collect();
        for setting in &theirs {
            assert!(ours.lines().any(|line| line == setting.replace('=', " = ")), "{setting} is not ours");
        }
        let of_place = ["listen", "port", "unix", "max_conn", "cluster_name", "timezone", "log_timezone"];
        let defaults = ["fsync = on", "full_page_writes = on", "synchronous_commit = on"];
        let shared = ours.lines().filter(|line| {
            line.contains(" = ")
                && !line.starts_with('#')
                && !of_place.iter().any(|name| line.starts_with(name))
                && !defaults.contains(line)
        });
        assert_eq!(shared.count(), theirs.len(), "each of ours that is no default is theirs");
    }
}
