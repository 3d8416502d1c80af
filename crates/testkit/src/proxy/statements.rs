//! Which SQL a client's message makes the server run.
//!
//! In the extended protocol SQL is named once (Parse), bound to a portal (Bind) and run by the portal's name
//! (Execute), so the names have to be followed.

use std::collections::HashMap;

use super::wire::Message;

/// The statements and portals of one connection.
#[derive(Debug, Default)]
pub(super) struct Statements {
    prepared: HashMap<String, String>,
    portals: HashMap<String, String>,
}

impl Statements {
    /// The SQL that this message makes the server run; `None` if it only prepares, binds, syncs and so on.
    pub(super) fn run_by(&mut self, message: &Message) -> Option<String> {
        let mut texts =
            message.body().split(|byte| *byte == 0).map(String::from_utf8_lossy).map(String::from);
        let mut next = || texts.next().unwrap_or_default();
        match message.tag {
            b'Q' => Some(next()),
            b'P' => {
                let name = next();
                self.prepared.insert(name, next());
                None
            }
            b'B' => {
                let portal = next();
                let sql = self.prepared.get(&next()).cloned().unwrap_or_default();
                self.portals.insert(portal, sql);
                None
            }
            b'E' => self.portals.get(&next()).cloned(),
            b'C' => {
                let closed = next();
                match closed.split_at_checked(1) {
                    Some(("S", name)) => self.prepared.remove(name),
                    Some(("P", name)) => self.portals.remove(name),
                    _ => None,
                };
                None
            }
            _ => None,
        }
    }
}
