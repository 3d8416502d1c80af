//! The framing of Postgres's wire protocol: a tag, a length, a body.

use std::io::{Error, Result};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest message that is passed: far above any statement of ours, and a bound on what a broken length could ask for.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Protocol code of a request for TLS, sent before anything else.
const TLS_REQUEST: u32 = 80_877_103;

/// Protocol code of a request for GSSAPI encryption, likewise.
const GSS_REQUEST: u32 = 80_877_104;

/// One message, as it was on the wire.
#[derive(Debug)]
pub(super) struct Message {
    /// What kind it is; 0 for those at the beginning, which have no tag.
    pub(super) tag: u8,
    /// All of its bytes, to pass on.
    pub(super) bytes: Vec<u8>,
    header: usize,
}

impl Message {
    /// Reads the next message; an error at the end of the stream.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let tag = from.read_u8().await?;
        Self::read_rest(from, tag, vec![tag]).await
    }

    /// Reads a message of the beginning of a connection, which has no tag.
    pub(super) async fn read_first(from: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        Self::read_rest(from, 0, vec![]).await
    }

    async fn read_rest(from: &mut (impl AsyncRead + Unpin), tag: u8, mut bytes: Vec<u8>) -> Result<Self> {
        let length = from.read_u32().await?;
        let body = (length as usize).checked_sub(4).filter(|body| *body <= MESSAGE_BYTES_MAX);
        let body =
            body.ok_or_else(|| Error::other(format!("a message of {length} bytes is not Postgres's")))?;
        bytes.extend(length.to_be_bytes());
        let header = bytes.len();
        bytes.resize(header + body, 0);
        from.read_exact(bytes.get_mut(header..).unwrap_or_default()).await?;
        Ok(Self { tag, bytes, header })
    }

    /// What follows tag and length.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(self.header..).unwrap_or_default()
    }

    /// Whether a first message only asks for encryption.
    pub(super) fn asks_for_encryption(&self) -> bool {
        [TLS_REQUEST, GSS_REQUEST].iter().any(|code| self.body() == code.to_be_bytes())
    }
}
