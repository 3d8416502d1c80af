"""A webhook receiver, with Python's standard library alone: what yours should do, in the order in which it should do it.

    WEBHOOK_SECRET=whsec_… python3 receiver.py seen.db 9000

1. Verify the signature over the bytes as they came, before they are parsed.
2. Refuse what is older or newer than five minutes: it may be somebody's recording.
3. Remember Webhook-Id, and do nothing the second time: an event may come again, always with the same id.
4. Answer 2xx at once, within ten seconds; do what takes long afterwards.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
BODY_BYTES_MAX = 1_000_000
SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))


def is_genuine(webhook_id, timestamp, signatures, body):
    """Whether one of the signatures is ours; during a rotation there are two."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest())
    # compare_digest takes the same time whatever differs; == would tell an attacker how much was right.
    return any(hmac.compare_digest(expected, given.encode()) for given in signatures.split(" "))


def is_new(database, webhook_id):
    """Remembers an id; false if it was known. In your database, in the transaction that does the work."""
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE IF NOT EXISTS seen (webhook_id TEXT PRIMARY KEY)")
        return db.execute("INSERT OR IGNORE INTO seen VALUES (?)", [webhook_id]).rowcount == 1


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if length > BODY_BYTES_MAX:
            return self.answer(413, "too large")
        body = self.rfile.read(length)
        webhook_id = self.headers.get("Webhook-Id", "")
        timestamp = self.headers.get("Webhook-Timestamp", "")
        if not is_genuine(webhook_id, timestamp, self.headers.get("Webhook-Signature", ""), body):
            return self.answer(401, "not genuine")
        if not is_new(sys.argv[1], webhook_id):
            return self.answer(200, f"duplicate {webhook_id}")
        event = json.loads(body)
        return self.answer(200, f"received {webhook_id} {event['type']}")

    def answer(self, status, line):
        print(line, flush=True)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Receiver)
    print(f"listening {server.server_port}", flush=True)
    server.serve_forever()
