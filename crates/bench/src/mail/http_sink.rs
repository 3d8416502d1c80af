//! A webhook receiver that answers everything with 200 at once and keeps nothing.

use super::wire::{Taken, listen};
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

/// Longest body it reads.
const BODY_BYTES_MAX: u64 = 1_000_000;

/// A running receiver.
#[derive(Debug)]
pub(super) struct HttpSink {
    pub(super) url: String,
    taken: Taken,
}

impl HttpSink {
    pub(super) fn start() -> io::Result<Self> {
        let (address, taken) = listen(serve)?;
        Ok(Self { url: format!("http://{address}/hooks"), taken })
    }

    /// Requests so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.count()
    }
}

fn serve(stream: TcpStream, taken: &Taken) -> io::Result<()> {
    let (mut writer, mut reader) = (stream.try_clone()?, BufReader::new(stream));
    while let Some(bytes) = head(&mut reader)? {
        io::copy(&mut reader.by_ref().take(bytes.min(BODY_BYTES_MAX)), &mut io::sink())?;
        taken.one();
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}

/// Reads a request's head; the bytes of its body, or none: the client has closed.
fn head(reader: &mut BufReader<TcpStream>) -> io::Result<Option<u64>> {
    let (mut line, mut bytes) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let header = line.trim_end();
        if header.is_empty() {
            return Ok(Some(bytes));
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            bytes = value.trim().parse().map_err(io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_on_one_connection_are_answered_in_turn() {
        let sink = HttpSink::start().unwrap();
        let address = sink.url.trim_start_matches("http://").trim_end_matches("/hooks").to_owned();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcPOST / HTTP/1.1\r\n\r\n").unwrap();
        let mut answers = [0; 76];
        stream.read_exact(&mut answers).unwrap();
        assert_eq!(String::from_utf8_lossy(&answers).matches("200 OK").count(), 2);
        assert_eq!(sink.taken(), 2);
    }
}
