"""Asks a Holdfast of its own what its OpenAPI document allows and what it does not, and says what was answered otherwise.

fuzz.py --program PROGRAM --cases CASES [--seed SEED] [--keep]
It starts PROGRAM with a data folder that it removes afterwards, and an SMTP server that refuses every receiver, so that there
are failed mails. Exit code 0: no answer was a server error or outside the document, and every operation had a success.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SMTP_SERVER = HERE.parent / "crates/testkit/smtp/server.py"
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance"]
READY = re.compile(r"holdfast is ready: (http://\S+) ")

def started(command, line, **how):
    """A process, once it has said a line that matches."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **how)
    for said in process.stdout:
        found = re.search(line, said)
        if found:
            return process, found
    sys.exit(f"error: {command[0]} ended before it was ready")


def ended(process):
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)


def unsuccessful(answered, document):
    """Operations of the document without a success among the answers."""
    names = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    succeeded = {name for name, statuses in answered.items() if any(200 <= int(s) < 300 for s in statuses)}
    return sorted(names - succeeded)


def run(arguments, folder):
    smtp, port = started([sys.executable, str(SMTP_SERVER), f"{folder}/mail", "0", "refuse"], r"^(\d+)$")
    data = f"{folder}/data"
    server, ready = started(
        [arguments.program, "up", "--data", data, "--listen", "127.0.0.1:0", "--log", "error",
         "--webhooks-allow-private", "true", "--smtp-url", f"smtp://127.0.0.1:{port[1]}"], READY)
    url = ready[1]
    try:
        password = pathlib.Path(data, "admin-password").read_text().strip()
        report = f"{folder}/answered.json"
        environment = {
            **os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "fuzz_hooks", "HOLDFAST_FUZZ_URL": url,
            "HOLDFAST_FUZZ_ADMIN": f"admin@holdfast.local {password}", "HOLDFAST_FUZZ_REPORT": report,
            "HOLDFAST_FUZZ_SEED": str(arguments.seed),
        }
        document = json.load(urllib.request.urlopen(f"{url}/openapi.json"))
        operations = sum(len(methods) for methods in document["paths"].values())
        each = max(1, arguments.cases // operations)
        found = subprocess.run(
            [f"{pathlib.Path(sys.executable).parent}/schemathesis", "run", f"{url}/openapi.json", "--phases",
             "examples,fuzzing", "--max-examples", str(each), "--checks", ",".join(CHECKS), "--seed",
             str(arguments.seed), "--no-shrink", "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"],
            env=environment, cwd=folder).returncode
        answered = json.loads(pathlib.Path(report).read_text())
    finally:
        ended(server)
        ended(smtp)
    cases = sum(sum(statuses.values()) for statuses in answered.values())
    errors = {name: s for name, s in answered.items() if any(int(status) >= 500 for status in s)}
    missing = unsuccessful(answered, document)
    print(f"{cases} cases of {operations} operations, seed {arguments.seed}; "
          f"{operations - len(missing)} operations had a success, {len(errors)} a server error")
    for name in missing:
        print(f"WRONG: {name} never succeeded: {answered.get(name)}")
    for name, statuses in errors.items():
        print(f"WRONG: {name}: {statuses}")
    return 1 if found or missing or errors else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="holdfast-fuzz-")
    # The server gives root's rights away and must still reach its data.
    os.chmod(folder, 0o755)
    try:
        sys.exit(run(arguments, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
