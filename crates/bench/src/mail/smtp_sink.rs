//! An SMTP server that takes every mail at once and keeps none: the least that RFC 5321 asks for, with PIPELINING.

use super::wire::{Taken, listen};
use std::{
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    net::{SocketAddr, TcpStream},
};

/// A running server.
#[derive(Debug)]
pub(super) struct SmtpSink {
    pub(super) address: SocketAddr,
    taken: Taken,
}

impl SmtpSink {
    pub(super) fn start() -> io::Result<Self> {
        let (address, taken) = listen(serve)?;
        Ok(Self { address, taken })
    }

    /// Mails so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.count()
    }

    /// Mails a second.
    pub(super) fn rate(&self) -> Option<f64> {
        self.taken.rate()
    }
}

fn serve(stream: TcpStream, taken: &Taken) -> io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), BufWriter::new(stream));
    let mut line = Vec::new();
    writer.write_all(b"220 sink\r\n")?;
    loop {
        // Answers to commands that came together go out together.
        if reader.buffer().is_empty() {
            writer.flush()?;
        }
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4).unwrap_or_default() {
            b"EHLO" => writer.write_all(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")?,
            b"DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                writer.flush()?;
                while line != b".\r\n" {
                    line.clear();
                    if reader.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                }
                taken.one();
                writer.write_all(b"250 taken\r\n")?;
            }
            b"QUIT" => {
                writer.write_all(b"221 bye\r\n")?;
                return writer.flush();
            }
            _ => writer.write_all(b"250 ok\r\n")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::smtp_client;

    #[test]
    fn what_a_client_sends_over_several_connections_is_counted() {
        let sink = SmtpSink::start().unwrap();
        smtp_client::send(sink.address, 3, 100).unwrap();
        assert_eq!(sink.taken(), 100);
        assert!(sink.rate().is_some_and(|rate| rate > 0.0));
    }
}
