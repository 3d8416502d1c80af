//! What makes the listener of clients a secured one: TLS, and a user who signs in by SCRAM-SHA-512.
//!
//! Guarantee: with it nobody talks to a node in the clear but its own controllers. The user is made with the data folder,
//! because Kafka lets nobody in who could make one later. It is for tests and drills: the password stands in the folder's
//! files, which only their owner may read, and on the command line of the formatter for a second.

use std::{fmt, path::PathBuf};

use crate::BrokerError;

/// The one mechanism by which users sign in.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-512";

/// A secured listener. The files are PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Security {
    /// The private key (PKCS #8) and the certificate chain of the nodes, for 127.0.0.1.
    pub key_and_certificates: PathBuf,
    /// The certificate of the authority that has signed it.
    pub authority: PathBuf,
    /// Who may sign in; the nodes do so by the same name. Letters, digits and `-_.` alone.
    pub user: String,
    /// The password; the same letters.
    pub password: String,
}

/// A debug line goes into logs.
impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Security {
    /// Refuses what would end a setting, or begin another one.
    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        let plain = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        for (what, text) in [("user's name", &self.user), ("password", &self.password)] {
            if !plain(text) {
                return Err(BrokerError::SecurityUnfit { what });
            }
        }
        Ok(())
    }

    /// The user, as the formatter takes it.
    pub(crate) fn scram(&self) -> String {
        format!("{MECHANISM}=[name={},password={}]", self.user, self.password)
    }

    /// The settings of a node; they come after the shared ones, and the last of a name counts.
    pub(crate) fn settings(&self) -> String {
        let Self { key_and_certificates, authority, user, password } = self;
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
        format!(
            "listener.security.protocol.map=BROKER:SASL_SSL,CONTROLLER:PLAINTEXT\n\
             sasl.enabled.mechanisms={MECHANISM}\nsasl.mechanism.inter.broker.protocol={MECHANISM}\n\
             listener.name.broker.{}.sasl.jaas.config={module} required username=\"{user}\" password=\"{password}\";\n\
             ssl.keystore.type=PEM\nssl.keystore.location={}\n\
             ssl.truststore.type=PEM\nssl.truststore.location={}\n",
            MECHANISM.to_lowercase(),
            key_and_certificates.display(),
            authority.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(user: &str, password: &str) -> Security {
        let (user, password) = (user.to_owned(), password.to_owned());
        Security { key_and_certificates: "k.pem".into(), authority: "a.pem".into(), user, password }
    }

    #[test]
    fn what_would_end_a_setting_is_refused_and_not_repeated() {
        assert!(security("holdfast", "Long-enough_7.").check().is_ok());
        for (user, password) in [("a b", "x"), ("", "x"), ("a", "pass]word"), ("a", "\";\nx"), ("a", "")] {
            let error = security(user, password).check().unwrap_err().to_string();
            assert!(password.len() < 2 || !error.contains(password), "{error}");
        }
    }

    #[test]
    fn a_debug_line_has_no_password() {
        assert!(!format!("{:?}", security("holdfast", "hush")).contains("hush"));
    }
}
