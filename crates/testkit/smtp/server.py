"""An SMTP server for tests: keeps what it accepts in a maildir, and misbehaves on request.

server.py MAILDIR PORT MODE [PEM USER PASSWORD] prints the port it listens on (PORT 0: a free one). MODE is one of
  accept      takes everything
  ascii       takes everything, and knows no SMTPUTF8
  greylist    puts every receiver's first mail off with 451, and takes the next
  refuse      refuses every receiver with 550
  rcpt ANSWER answers every receiver with this
  mail ANSWER answers every sender with this
  data ANSWER answers every mail, when it has all of it, with this
  only ANSWER answers every receiver whose address begins with "refused" with this, and takes the others' mails
  auth        answers 530 to everybody, as one that wants to know who we are
  greet-554   greets everybody with 554
  slow        takes everything, 3 s late
  die         keeps the first mail, and is dead before it says so
  hold        keeps every mail, and never says so
  starttls    takes everything from USER with PASSWORD, after STARTTLS
  tls         the same, over TLS from the start
PEM is a file with the key and the certificate of the last two. What it was told since it started is in MAILDIR.log.
"""

import asyncio
import logging
import mailbox
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
kept = mailbox.Maildir(folder)
logging.getLogger("mail.log").setLevel(logging.INFO)
logging.getLogger("mail.log").addHandler(logging.FileHandler(folder + ".log", "w"))


class Handler:
    def __init__(self):
        self.known = set()

    async def handle_MAIL(self, server, session, envelope, address, options):
        if mode == "auth":
            return "530 5.7.0 Authentication required"
        if mode.startswith("mail "):
            return mode.removeprefix("mail ")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if mode == "refuse":
            return f"550 5.1.1 <{address}>: no such user"
        if mode.startswith("rcpt "):
            return mode.removeprefix("rcpt ")
        if mode.startswith("only ") and address.startswith("refused"):
            return mode.removeprefix("only ")
        if mode == "greylist" and address not in self.known:
            self.known.add(address)
            return "451 4.7.1 Come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if mode == "slow":
            await asyncio.sleep(3)
        if mode.startswith("data "):
            return mode.removeprefix("data ")
        kept.add(envelope.content)
        if mode == "die":
            os._exit(1)
        if mode == "hold":
            await asyncio.Event().wait()
        return "250 OK"


def is_known(server, session, envelope, mechanism, given):
    user, password = sys.argv[5:7]
    known = (given.login, given.password) == (user.encode(), password.encode())
    return AuthResult(success=known, handled=False)


def secured(handler):
    """How to make the protocol of a connection, and what TLS it begins with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    asks = dict(hostname="localhost", auth_required=True, authenticator=is_known)
    if mode == "starttls":
        return lambda: SMTP(handler, tls_context=context, require_starttls=True, **asks), None
    # It is the connection that is encrypted, which aiosmtpd does not see.
    return lambda: SMTP(handler, auth_require_tls=False, **asks), context


async def greet(reader, writer):
    writer.write(b"554 5.3.2 No mail is taken here\r\n")
    await writer.drain()
    writer.close()


async def main():
    loop = asyncio.get_running_loop()
    if mode == "greet-554":
        server = await asyncio.start_server(greet, "127.0.0.1", port)
    else:
        handler, context = Handler(), None
        make = lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=mode != "ascii")
        if mode in ("starttls", "tls"):
            make, context = secured(handler)
        server = await loop.create_server(make, "127.0.0.1", port, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
