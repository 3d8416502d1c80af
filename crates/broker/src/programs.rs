//! Finds Java and Kafka's jars, and makes the commands that run a class of them.
//!
//! Guarantee: what is found was tried. Java has said a version that Kafka can run on, and the folder has Kafka's jar.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::{BrokerError, BrokerOptions, error::Doing};

/// The oldest Java that Kafka 4's brokers run on.
pub(crate) const OLDEST_JAVA: u32 = 17;

/// How the jar of the broker itself begins; the rest is its version.
const BROKER_JAR: &str = "kafka_2.13-";

/// Bounds what Java keeps beside the heap about loaded classes; a node uses about 80 MB of it.
const METASPACE_MIB: u32 = 160;

/// Java and the jars.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    java: PathBuf,
    libs: PathBuf,
    heap_mib: u32,
}

impl Programs {
    /// What `options` or the environment names.
    pub(crate) async fn find(options: &BrokerOptions) -> Result<Self, BrokerError> {
        let named = |chosen: &Option<PathBuf>, variable| {
            chosen.clone().or_else(|| env::var_os(variable).filter(|value| !value.is_empty()).map(Into::into))
        };
        let libs = named(&options.libs, "HOLDFAST_KAFKA_LIBS").ok_or(BrokerError::LibsUnknown)?;
        if !has_kafka(&libs) {
            return Err(BrokerError::LibsMissing { folder: libs });
        }
        // Absolute, because a node's working folder is its own.
        let libs = libs.canonicalize().doing("find", &libs)?;
        let java = named(&options.java, "HOLDFAST_JAVA").unwrap_or_else(|| "java".into());
        let java = if java.components().count() > 1 {
            std::path::absolute(&java).doing("find", &java)?
        } else {
            java
        };
        try_java(&java).await?;
        Ok(Self { java, libs, heap_mib: options.heap_mib })
    }

    /// The program, for errors.
    pub(crate) fn java(&self) -> &Path {
        &self.java
    }

    /// Runs a main class in `folder`, with nothing to read and nothing of ours to write to.
    pub(crate) fn command(&self, main_class: &str, folder: &Path) -> Command {
        let mut class_path = OsString::from(&self.libs);
        // Java itself expands this to every jar.
        class_path.push("/*");
        let mut java = Command::new(&self.java);
        java.arg(format!("-Xms{}m", self.heap_mib))
            .arg(format!("-Xmx{}m", self.heap_mib))
            .arg(format!("-XX:MaxMetaspaceSize={METASPACE_MIB}m"))
            // A heap this small is collected in milliseconds by one thread; the collectors for large heaps cost about a sixth
            // more processor for each record.
            .arg("-XX:+UseSerialGC")
            // Only the quick compiler: in the first minutes under load the thorough one took as much processor as all that the
            // node did (records cost 28 µs of it instead of 45), on cores that it shares with us.
            .arg("-XX:TieredStopAtLevel=1")
            // A node without memory would linger half alive, and nobody would be elected in its place.
            .arg("-XX:+ExitOnOutOfMemoryError")
            .arg("-Djava.awt.headless=true")
            .arg("-Dlog4j2.configurationFile=log4j2.properties")
            .arg("-cp")
            .arg(class_path)
            .arg(main_class)
            .current_dir(folder)
            .stdin(Stdio::null())
            // Its own process group: Ctrl-C at our terminal must reach only us.
            .process_group(0);
        java
    }
}

fn has_kafka(libs: &Path) -> bool {
    let files = fs::read_dir(libs).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| name.to_string_lossy().starts_with(BROKER_JAR))
}

async fn try_java(java: &Path) -> Result<(), BrokerError> {
    let missing = |source| BrokerError::JavaMissing { program: java.to_owned(), source };
    let asked = Command::new(java).arg("-version").stdin(Stdio::null()).output().await.map_err(missing)?;
    let said = String::from_utf8_lossy(&asked.stderr);
    match major(&said) {
        Some(major) if asked.status.success() && major >= OLDEST_JAVA => Ok(()),
        _ => Err(BrokerError::JavaUnfit {
            program: java.to_owned(),
            said: said.lines().next().unwrap_or("nothing").to_owned(),
        }),
    }
}

/// The major version in what `java -version` prints: `openjdk version "17.0.15" 2025-04-15`; Java 8 calls itself 1.8.
fn major(said: &str) -> Option<u32> {
    let version = said.split_once("version \"")?.1;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_version_is_read_from_what_java_says() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(major("openjdk version \"26-ea\" 2026-03-17"), Some(26));
        assert_eq!(major("java version \"1.8.0_442\""), Some(1));
        assert_eq!(major("sh: java: not found"), None);
    }
}
