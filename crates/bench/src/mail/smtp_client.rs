//! The yardstick of mails by SMTP: a client that only sends, the same envelope and as many bytes over and over, pipelined.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
};

/// As many as a notifier has, unless it is told otherwise.
pub(super) const CONNECTIONS: u16 = 4;
/// Bytes of a mail: as many as a confirmation's.
const MAIL_BYTES: usize = 1_800;

/// Sends so many mails over so many connections, and waits until all are taken.
pub(super) fn send(server: SocketAddr, connections: usize, mails: usize) -> io::Result<()> {
    let sending: Vec<_> = (0..connections)
        .map(|nth| mails / connections + usize::from(nth < mails % connections))
        .map(|mails| thread::spawn(move || send_over_one(server, mails)))
        .collect();
    sending
        .into_iter()
        .try_for_each(|sender| sender.join().unwrap_or_else(|_| Err(io::Error::other("a sender panicked"))))
}

fn send_over_one(server: SocketAddr, mails: usize) -> io::Result<()> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let (mut writer, mut reader) = (stream.try_clone()?, BufReader::new(stream));
    let mut answers = |count: usize| -> io::Result<()> {
        let mut line = String::new();
        for _ in 0..count {
            line.clear();
            if reader.read_line(&mut line)? == 0 || !line.starts_with(['2', '3']) {
                return Err(io::Error::other(format!("the server answered {line:?}")));
            }
        }
        Ok(())
    };
    answers(1)?;
    writer.write_all(b"EHLO bench\r\n")?;
    answers(3)?;
    let envelope = b"MAIL FROM:<bookings@bench.example>\r\nRCPT TO:<customer@bench.example>\r\nDATA\r\n";
    let line = format!("{}\r\n", "x".repeat(70));
    let mail = format!("{}.\r\n", line.repeat(MAIL_BYTES / line.len()));
    for _ in 0..mails {
        writer.write_all(envelope)?;
        answers(3)?;
        writer.write_all(mail.as_bytes())?;
        answers(1)?;
    }
    writer.write_all(b"QUIT\r\n")?;
    answers(1)
}
