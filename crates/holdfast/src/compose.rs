//! `docker-compose.yml` held to the executable: commands, flags, values, environment names, ports and health checks are
//! parsed by the real configuration. No Docker engine is needed for that, and none is used.

use crate::config::Cli;
use clap::{Command, CommandFactory as _, Parser as _};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What our executable reads from the environment without a flag; PGPASSFILE is read by Postgres's client inside it.
const WITHOUT_A_FLAG: [&str; 5] =
    ["DATABASE_URL", "HOLDFAST_DATA", "HOLDFAST_TOKEN_SECRET", "HOLDFAST_WEBHOOK_KEY", "PGPASSFILE"];
/// Of those, what would be a secret in the file.
const SECRETS: [&str; 3] = ["HOLDFAST_TOKEN_SECRET", "HOLDFAST_WEBHOOK_KEY", "POSTGRES_PASSWORD"];
/// Where the image has the executable.
const PROGRAM: &str = "/usr/local/bin/holdfast";

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace(path)).unwrap()
}

/// Our Python, which has what reads the file and what holds it to its schema.
fn python(program: &str) -> std::process::Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace("target"), PathBuf::from);
    let program = target.join("python/bin").join(program);
    assert!(program.exists(), "{} is missing; `scripts/test` sets it up", program.display());
    std::process::Command::new(program)
}

fn compose() -> Value {
    let config = python("python").arg(workspace("scripts/compose_native.py")).arg("config").output().unwrap();
    assert!(config.status.success(), "{}", String::from_utf8_lossy(&config.stderr));
    serde_json::from_slice(&config.stdout).unwrap()
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Every service that runs our image, by name.
fn ours(compose: &Value) -> BTreeMap<String, Value> {
    let services = compose["services"].as_object().unwrap();
    let ours = services.iter().filter(|(_, service)| service["build"].is_string());
    ours.map(|(name, service)| (name.clone(), service.clone())).collect()
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let entries = service["environment"].as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// The flags that an environment stands for with this command: clap reads both alike, so values are checked as well.
fn as_flags(command: &Command, environment: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let named = environment.iter().filter(|(name, _)| !WITHOUT_A_FLAG.contains(&name.as_str()));
    let flag = |(name, value): (&String, &String)| {
        let args = command.get_arguments();
        let arg = args.into_iter().find(|arg| arg.get_env().is_some_and(|env| env == name.as_str()));
        let long = arg.and_then(clap::Arg::get_long).ok_or(format!("nothing reads {name}"))?;
        Ok(format!("--{long}={value}"))
    };
    named.map(flag).collect()
}

#[test]
fn the_file_has_the_shape_that_compose_demands() {
    let checked = python("check-jsonschema")
        .args(["--builtin-schema", "vendor.compose-spec"])
        .arg(workspace("docker-compose.yml"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn every_command_flag_and_variable_is_one_of_the_executables() {
    let mut faults = Vec::new();
    for (name, service) in ours(&compose()) {
        let command = words(&service["command"]);
        let mut all = Cli::command();
        all.build();
        let Some(role) = command.first().and_then(|role| all.find_subcommand(role)) else {
            faults.push(format!("{name}: there is no role {command:?}"));
            continue;
        };
        match as_flags(role, &environment(&service)) {
            Err(fault) => faults.push(format!("{name}: {fault}")),
            Ok(flags) => {
                let line = ["holdfast".to_owned()].into_iter().chain(command).chain(flags);
                faults.extend(Cli::try_parse_from(line).err().map(|error| format!("{name}: {error}")));
            }
        }
        let health = words(&service["healthcheck"]["test"]);
        let line = health.iter().skip(1).map(String::as_str);
        if let Some(fault) = Cli::try_parse_from(line).err().filter(|_| !health.is_empty()) {
            faults.push(format!("{name}, health check: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A health check asks where the process listens, and a published port leads there.
#[test]
fn health_checks_and_published_ports_lead_to_where_the_process_listens() {
    for (name, service) in ours(&compose()) {
        let environment = environment(&service);
        let listens = environment.get("HOLDFAST_LISTEN").or_else(|| environment.get("HOLDFAST_OPS_LISTEN"));
        let Some(listens) = listens else {
            assert!(name == "migrate", "{name} listens nowhere");
            continue;
        };
        let port = listens.strip_prefix("0.0.0.0:").expect("other containers can reach it");
        let health = words(&service["healthcheck"]["test"]);
        let expected = ["CMD", PROGRAM, "health", &format!("http://127.0.0.1:{port}/health/ready")];
        assert_eq!(health, expected, "{name}");
        for published in words(&service["ports"]) {
            assert!(
                published.starts_with("127.0.0.1:") && published.ends_with(&format!(":{port}")),
                "{name}"
            );
        }
    }
    let names: BTreeSet<String> = ours(&compose()).into_keys().collect();
    let all = ["api", "migrate", "notify", "project-availability", "project-booking-history", "relay"];
    assert_eq!(names, all.map(str::to_owned).into(), "every role is there");
}

#[test]
fn every_service_has_limits_a_health_check_and_a_restart_policy_and_ours_have_no_rights() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(limits["cpus"].is_string() && limits["memory"].is_string(), "{name} has no limits");
        assert!(service["restart"].is_string(), "{name} has no restart policy");
        let health = words(&service["healthcheck"]["test"]);
        assert!(name == "migrate" || health[0] == "CMD", "{name}: a health check that needs no shell");
        for (other, needs) in service["depends_on"].as_object().into_iter().flatten() {
            let condition = needs["condition"].as_str().unwrap();
            let expected =
                if other == "migrate" { "service_completed_successfully" } else { "service_healthy" };
            assert_eq!(condition, expected, "{name} waits for {other}");
            assert!(compose["services"][other].is_object(), "{name} waits for {other}");
        }
    }
    for (name, service) in ours(&compose) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        assert!(service["user"].as_str().unwrap().starts_with("${HOLDFAST_USER:-1000:"), "{name}");
    }
}

/// Secrets come from files; each file that a variable names is given to that service.
#[test]
fn no_secret_is_in_the_file_and_every_secret_that_is_named_is_given() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        let environment = environment(service);
        let given = words(&service["secrets"]);
        for secret in SECRETS {
            assert!(!environment.contains_key(secret), "{name}: {secret} belongs into a file");
        }
        for value in environment.values() {
            let password = value.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
            assert!(password.is_none_or(|(user, _)| !user.contains(':')), "{name} has a password in a URL");
            if let Some(secret) = value.strip_prefix("/run/secrets/") {
                assert!(given.iter().any(|given| given == secret), "{name} lacks the secret {secret}");
                let file = compose["secrets"][secret]["file"].as_str().unwrap();
                let set_up = read("scripts/compose-setup");
                assert!(file.ends_with(&format!("/secrets/{secret}")), "{file}");
                assert!(set_up.contains(&format!("\nsecret {secret} ")), "compose-setup makes {secret}");
            }
        }
    }
}

/// The three nodes run with the file that scripts/kafka and the tests run with, in the version of our pom.
#[test]
fn kafkas_nodes_have_the_settings_of_the_contract_and_only_places_of_their_own() {
    let compose = compose();
    let pom = read("kafka/broker/pom.xml");
    let version = pom.split("<artifactId>kafka_2.13</artifactId>").nth(1).unwrap();
    let version = version.split("<version>").nth(1).unwrap().split('<').next().unwrap();
    let mut hosts = Vec::new();
    for node in 1..=3 {
        let (name, service) = (format!("kafka-{node}"), &compose["services"][&format!("kafka-{node}")]);
        assert_eq!(service["image"], format!("apache/kafka:{version}"), "{name}");
        let mount = "./kafka/broker/three-nodes.properties:/mnt/shared/config/server.properties:ro";
        assert!(words(&service["volumes"]).iter().any(|volume| volume == mount), "{name}");
        let environment = environment(service);
        let own: Vec<&str> = environment.keys().map(String::as_str).collect();
        let places = [
            "CLUSTER_ID",
            "KAFKA_ADVERTISED_LISTENERS",
            "KAFKA_CONTROLLER_QUORUM_VOTERS",
            "KAFKA_HEAP_OPTS",
            "KAFKA_LISTENERS",
            "KAFKA_LOG_DIRS",
            "KAFKA_NODE_ID",
        ];
        assert_eq!(own, places, "{name}: whatever is no place stands in the file of the contract");
        assert_eq!(environment["KAFKA_NODE_ID"], node.to_string());
        assert_eq!(environment["KAFKA_ADVERTISED_LISTENERS"], format!("BROKER://{name}:9092"));
        assert!(environment["KAFKA_CONTROLLER_QUORUM_VOTERS"].contains(&format!("{node}@{name}:9093")));
        hosts.push(format!("{name}:9092"));
    }
    for (name, service) in ours(&compose) {
        if let Some(brokers) = environment(&service).get("KAFKA_BROKERS") {
            assert_eq!(*brokers, hosts.join(","), "{name}");
        }
    }
}
