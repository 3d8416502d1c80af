# Set-up that the scripts share; sourced, not run.
#
# Each need_* function says what is missing, installs it where it can (Debian's packages, as root or with sudo) and
# ends with what to do by hand where it cannot. What is there is left alone.
# shellcheck shell=bash

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# How long a stopping Postgres may take, in tenths of a second; a fast shutdown writes one checkpoint.
stop_tenths_max=300

say() { printf '== %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "installing needs root or sudo; run by hand as root: $*"
    fi
}

# Installs Debian packages. $1: what they are for; the rest: their names.
install_packages() {
    local purpose="$1"
    shift
    command -v apt-get >/dev/null || fail "$purpose is missing, and there is no apt-get; install it by hand (Debian: $*)"
    say "installing $* ($purpose)"
    as_root apt-get update -q >&2
    # The configuration that we or you have written stays; no question is asked.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" >&2
}

need_cargo() {
    local wanted found
    command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || fail "Rust is missing; install it from https://rustup.rs and try again"
    wanted="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")"
    found="$(cargo --version | cut -d ' ' -f 2)"
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
        fail "Rust $wanted or newer is needed, and cargo is $found; run \`rustup update\`"
}

# A part of the Rust toolchain: $1 the subcommand, $2 the name of the component.
need_component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null || fail "\`cargo $1\` is missing; install the Rust component $2"
    say "installing the Rust component $2"
    rustup component add "$2"
}

# Some dependencies have parts in C, and rustc links with cc. Kafka's client is built from its source, by make, and finds
# zlib and OpenSSL by pkg-config.
need_cc() {
    local missing=()
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    command -v c++ >/dev/null || missing+=(g++)
    command -v make >/dev/null || missing+=(make)
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    [ -e /usr/include/zlib.h ] || missing+=(zlib1g-dev)
    [ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
    [ "${#missing[@]}" = 0 ] || install_packages "a C compiler, and what Kafka's client is built with" "${missing[@]}"
}

# Succeeds if a folder has the programs of a Postgres that is new enough; the same search as holdfast's own.
has_postgres() {
    local major
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    major="$("$1/postgres" --version | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')"
    [ "${major:-0}" -ge 15 ]
}

find_postgres() {
    local folder
    if [ -n "${HOLDFAST_PG_BIN:-}" ]; then
        has_postgres "$HOLDFAST_PG_BIN" || fail "HOLDFAST_PG_BIN=$HOLDFAST_PG_BIN has no PostgreSQL 15 or newer"
        return 0
    fi
    for folder in "$(dirname "$(readlink -f "$(command -v initdb || echo /nowhere/initdb)")")" /usr/lib/postgresql/*/bin; do
        if has_postgres "$folder"; then return 0; fi
    done
    return 1
}

need_postgres() {
    find_postgres && return
    # Debian's package would make and start a cluster of its own; holdfast makes its own in its data folder.
    install_packages "PostgreSQL's common files" postgresql-common
    as_root sed -ri 's/^#?\s*create_main_cluster\s*=.*$/create_main_cluster = false/' \
        /etc/postgresql-common/createcluster.conf
    install_packages "PostgreSQL" postgresql
    find_postgres || fail "PostgreSQL 15 or newer is needed, and this system's package is older; see https://www.postgresql.org/download/"
}

# Succeeds if everybody may pass through the folder and all those above it, as the user that Postgres runs as must.
is_open_to_all() {
    local folder
    folder="$(readlink -f "$1")"
    while (($(stat -c %a "$folder") % 2 == 1)); do
        [ "$folder" = / ] && return 0
        folder="$(dirname "$folder")"
    done
    return 1
}

# Prints the process id of the Postgres that the tests share, if it runs.
test_postgres() {
    local cluster="${CARGO_TARGET_DIR:-$root/target}/testkit-postgres/postgres" pid
    pid="$(head -n 1 "$cluster/postmaster.pid" 2>/dev/null || true)"
    # The number alone proves nothing; the server's working folder does.
    if [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$cluster" ]; then echo "$pid"; fi
}

# Stops the tests' Postgres.
stop_test_postgres() {
    local pid waited=0
    pid="$(test_postgres)"
    [ -n "$pid" ] || return 0
    say "stopping the tests' PostgreSQL (process $pid)"
    kill -INT "$pid"
    while [ "$(test_postgres)" = "$pid" ]; do
        ((waited++ < stop_tenths_max)) || fail "the tests' PostgreSQL (process $pid) does not stop; see its postgres.log"
        sleep 0.1
    done
}

# Succeeds if a Java that Kafka runs on is there; the same search as the broker's own.
has_java() {
    local major
    major="$("${HOLDFAST_JAVA:-java}" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)"
    [ "${major:-0}" -ge 17 ]
}

# Java, and Kafka's jars in the target folder: once, and again when the pom has changed. Sets HOLDFAST_KAFKA_LIBS.
need_kafka() {
    local pom="$root/kafka/broker/pom.xml" libs wanted
    if ! has_java; then
        [ -z "${HOLDFAST_JAVA:-}" ] || fail "HOLDFAST_JAVA=$HOLDFAST_JAVA is no Java 17 or newer"
        install_packages "Java, for Kafka" openjdk-17-jre-headless
        has_java || fail "Kafka needs Java 17 or newer, and \`java\` on PATH is older; set HOLDFAST_JAVA to a newer one"
    fi
    # Somebody who names a folder of their own has the jars; the broker says so if not.
    if [ -n "${HOLDFAST_KAFKA_LIBS:-}" ]; then return 0; fi
    libs="${CARGO_TARGET_DIR:-$root/target}/kafka-libs"
    wanted="$(cksum <"$pom")"
    # Written last, so a copy that was interrupted is made again.
    if [ "$(cat "$libs/complete" 2>/dev/null || true)" != "$wanted" ]; then
        command -v mvn >/dev/null || install_packages "Maven, to fetch Kafka's jars" maven
        say "fetching Kafka's jars into $libs (45 MB, once)"
        rm -rf "$libs"
        mkdir -p "$libs"
        libs="$(cd "$libs" && pwd)"
        mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$libs" -DincludeScope=runtime >&2 ||
            fail "Maven could not fetch Kafka's jars; it needs the net once. See above, and try again"
        printf '%s\n' "$wanted" >"$libs/complete"
    fi
    HOLDFAST_KAFKA_LIBS="$(cd "$libs" && pwd)"
    export HOLDFAST_KAFKA_LIBS
}

# Prints the process id of the Kafka broker that the tests share, if it runs.
test_kafka() {
    local node="${CARGO_TARGET_DIR:-$root/target}/testkit-kafka/node-1" process
    [ -d "$node" ] || return 0
    for process in /proc/[0-9]*; do
        # Its working folder says whose it is, and the main class that it is Kafka.
        if [ "$process/cwd" -ef "$node" ] && tr '\0' '\n' <"$process/cmdline" 2>/dev/null | grep -qx kafka.Kafka; then
            basename "$process"
            return 0
        fi
    done
}

# Stops the tests' Kafka. Nothing in it is of use to anybody, so it need not end in order.
stop_test_kafka() {
    local pid waited=0
    pid="$(test_kafka)"
    [ -n "$pid" ] || return 0
    say "stopping the tests' Kafka (process $pid)"
    kill -KILL "$pid"
    while [ -d "/proc/$pid/task" ]; do
        ((waited++ < stop_tenths_max)) || fail "the tests' Kafka (process $pid) does not end"
        sleep 0.1
    done
}

# A Python of our own in the target folder, for the example consumer, docker-compose.yml, mails and `scripts/fuzz`: once, and again when its
# lists have changed. Sets python.
need_python() {
    local place wanted lists=("$root/kafka/consumers/requirements.txt" "$root/scripts/compose-requirements.txt")
    lists+=("$root/crates/testkit/smtp/requirements.txt" "$root/scripts/fuzz-requirements.txt")
    place="${CARGO_TARGET_DIR:-$root/target}/python"
    python="$place/bin/python"
    wanted="$(cat "${lists[@]}" | cksum)"
    if [ "$(cat "$place/complete" 2>/dev/null || true)" = "$wanted" ]; then return 0; fi
    # Debian's Python comes without the part that makes environments.
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages "Python" python3 python3-venv
    say "fetching what our Python programs need into $place (once)"
    rm -rf "$place"
    python3 -m venv "$place" || fail "no Python environment could be made in $place; see above"
    "$place/bin/pip" install -q --disable-pip-version-check "${lists[@]/#/-r}" >&2 ||
        fail "pip could not fetch what our Python programs need; it needs the net once. See above, and try again"
    printf '%s\n' "$wanted" >"$place/complete"
}
