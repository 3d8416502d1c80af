"""The services of docker-compose.yml as plain processes; scripts/compose-native sets up what this needs.

Guarantee: commands, environment and health checks are those of the file. Only names of places change: hosts become
loopback addresses, secrets and bind mounts the files behind them, Kafka's nodes those of scripts/kafka. What is started is
written down at once (process id and start time), and only that is ever signalled.
Not here: images we do not build beyond Postgres and Kafka, limits, restart policies, networks.
"""
import argparse, glob, hashlib, json, os, pathlib, re, shutil, signal, subprocess, sys, time
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A cold start of Kafka's three nodes takes 10 s, and many times that on a busy machine.
HEALTHY_MAX = 240
# Between two looks at a condition.
PAUSE = 0.1
DURATION = {"ms": 0.001, "s": 1, "m": 60}


def config():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * DURATION[unit]


def fail(text):
    sys.exit(f"error: {text}")


class Native:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        self.file = self.folder / "processes.json"
        self.config = config()
        self.services = self.config["services"]
        # Another folder is another network: two of them can run beside each other.
        net = hashlib.sha256(str(self.folder.resolve()).encode()).digest()
        self.hosts = {name: f"127.{64 + net[0] % 128}.{net[1]}.{n}" for n, name in enumerate(self.services, 2)}
        self.state = json.loads(self.file.read_text()) if self.file.exists() else {"processes": {}, "kafka": None}

    def is_ours(self, name):
        return "build" in self.services[name]

    def is_kafka(self, name):
        return self.services[name].get("image", "").startswith("apache/kafka:")

    # -- places

    def place(self, service, text):
        """A value of the file, with this machine's places in it."""
        if not self.is_kafka(service):
            text = re.sub(r"\b(0\.0\.0\.0|127\.0\.0\.1)(?=:\d|$)", self.hosts[service], text)
        text = text.replace("/run/secrets/", f"{self.folder}/secrets/")
        for volume in self.services[service].get("volumes", []):
            outside, inside = volume.split(":")[:2]
            if outside.startswith("./.holdfast-compose/"):
                text = re.sub(rf"^{re.escape(inside)}(?=/|$)", outside.replace("./.holdfast-compose", str(self.folder)), text)
        for name, host in self.hosts.items():
            if self.is_kafka(name) and self.state["kafka"]:
                text = text.replace(f"{name}:9092", self.kafka_node(name))
            else:
                text = re.sub(rf"(?<=[@/]){re.escape(name)}(?=:\d)", host, text)
        return text

    def kafka_node(self, name):
        nodes = [name for name in self.services if self.is_kafka(name)]
        return self.state["kafka"].split(",")[nodes.index(name)]

    def environment(self, service):
        given = self.services[service].get("environment", {})
        places = ("LISTEN", "_FILE", "FOLDER", "PGPASSFILE", "URL", "BROKERS")
        return {name: self.place(service, value) if name.endswith(places) else value for name, value in given.items()}

    # -- processes

    @staticmethod
    def began(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return None

    def lives(self, service):
        process = self.state["processes"].get(service)
        now = process and self.began(process["pid"])
        # Field 22 is its start; a number alone may be anybody's by now. Z: ended, and not collected.
        return bool(now) and now[19] == process["began"] and now[0] != "Z"

    def launch(self, service, arguments, environment, **how):
        log = open(self.folder / f"{service}.log", "ab")
        child = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True, **how)
        self.state["processes"][service] = {"pid": child.pid, "began": self.began(child.pid)[19]}
        self.save()
        return child

    def save(self):
        beside = self.file.with_suffix(".unfinished")
        beside.write_text(json.dumps(self.state, indent=1))
        beside.replace(self.file)

    def log_end(self, service):
        log = self.folder / f"{service}.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    # -- up

    def must_not_run(self):
        if any(self.lives(name) for name in self.state["processes"]):
            fail(f"{self.folder} runs already; `down` ends it")

    def up(self, program):
        self.folder.mkdir(parents=True, exist_ok=True)
        closed = [place for place in self.folder.resolve().parents if not place.stat().st_mode & 1]
        if os.geteuid() == 0 and closed:
            fail(f"{closed[0]} is closed to the user that PostgreSQL runs as; name an open folder with --folder")
        self.state = {"processes": {}, "kafka": None, "program": str(pathlib.Path(program).absolute())}
        self.save()
        subprocess.run([ROOT / "scripts/compose-setup", self.folder], check=True, stderr=subprocess.DEVNULL)
        done, children = set(), {}
        while len(done) < len(self.services):
            ready = [name for name in self.services if name not in done and set(self.needs(name)) <= done]
            for name in ready:
                children[name] = self.start(name)
            for name in ready:
                self.settled(name, children[name])
                done.add(name)
        for name, host in self.hosts.items():
            for port in self.services[name].get("ports", []):
                print(f"{name}: http://{host}:{port.split(':')[-1]}")

    def needs(self, service):
        return self.services[service].get("depends_on", {})

    def start(self, service):
        if self.is_kafka(service):
            return self.start_kafka()
        if self.is_ours(service):
            command = [self.place(service, word) for word in self.services[service]["command"]]
            return self.launch(service, [self.state["program"], *command], self.environment(service))
        if self.services[service]["image"].startswith("postgres:"):
            return self.start_postgres(service)
        fail(f"{service}: no way is known to start {self.services[service]['image']} natively")

    def start_kafka(self):
        if not self.state["kafka"]:
            nodes = sum(map(self.is_kafka, self.services))
            self.state["kafka"] = "starting"
            self.save()
            start = [ROOT / "scripts/kafka", "start", "--nodes", str(nodes), "--data", self.folder / "kafka"]
            said = subprocess.run(start, check=True, capture_output=True, text=True).stdout
            self.state["kafka"] = said.strip().removeprefix("KAFKA_BROKERS=")
            self.save()

    def postgres_programs(self):
        named = os.environ.get("HOLDFAST_PG_BIN")
        return named or sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]

    def start_postgres(self, service):
        programs, given, data = self.postgres_programs(), self.services[service]["environment"], self.folder / "postgres"
        # Postgres does not run as root; then it gets an account that has nothing else.
        how = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        plain = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        if not data.exists():
            password = pathlib.Path(self.place(service, given["POSTGRES_PASSWORD_FILE"])).read_text().strip()
            unfinished = self.folder / "postgres.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            # For initdb alone, which cannot read the secret of another user.
            once = self.folder / "password.once"
            once.touch(mode=0o600)
            once.write_text(password)
            if how:
                self.folder.chmod(0o711)
                shutil.chown(unfinished, "postgres", "postgres")
                shutil.chown(once, "postgres", "postgres")
            initdb = [f"{programs}/initdb", "-D", unfinished, "-U", given["POSTGRES_USER"], "--auth=scram-sha-256",
                      f"--pwfile={once}", *given["POSTGRES_INITDB_ARGS"].split()]
            try:
                subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", env=plain, **how)
            finally:
                once.unlink()
            single = [f"{programs}/postgres", "--single", "-D", unfinished, "postgres"]
            make = f'CREATE DATABASE {given["POSTGRES_DB"]};\n'
            subprocess.run(single, input=make, text=True, check=True, capture_output=True, cwd="/", env=plain, **how)
            unfinished.rename(data)
        command = self.services[service]["command"].split()
        server = [f"{programs}/{command[0]}", "-D", data, "-h", self.hosts[service], "-k", "", *command[1:]]
        return self.launch(service, server, plain, cwd="/", **how)

    def settled(self, service, child):
        """Waits until the service is healthy, or has ended well where that is what others wait for."""
        end = time.monotonic() + HEALTHY_MAX
        for_good = any(needs.get(service, {}).get("condition") == "service_completed_successfully"
                       for needs in map(self.needs, self.services))
        while True:
            code = child.poll() if child else None
            if for_good and code == 0:
                return
            if code is not None:
                fail(f"{service} ended with {code}; the end of its log:\n{self.log_end(service)}")
            if not for_good and self.is_healthy(service):
                return
            if time.monotonic() > end:
                fail(f"{service} is not healthy after {HEALTHY_MAX} s; the end of its log:\n{self.log_end(service)}")
            time.sleep(PAUSE)

    def is_healthy(self, service):
        check = self.services[service].get("healthcheck")
        if not check:
            fail(f"{service} has no health check")
        if self.is_kafka(service):
            # The same question as the image's, and for all nodes at once: does every one of them serve clients?
            ask = [ROOT / "scripts/kafka", "status", "--data", self.folder / "kafka"]
        else:
            kind, program, *arguments = check["test"]
            assert kind == "CMD", f"{service}: a health check without a shell"
            program = self.state["program"] if self.is_ours(service) else f"{self.postgres_programs()}/{program}"
            ask = [program, *(self.place(service, word) for word in arguments)]
        try:
            limit = max(seconds(check["timeout"]), 30 if self.is_kafka(service) else 0)
            return subprocess.run(ask, capture_output=True, timeout=limit).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    # -- down, status, run

    def down(self):
        for service in reversed(list(self.services)):
            if not self.lives(service):
                continue
            pid = self.state["processes"][service]["pid"]
            # Postgres: a fast end; it would wait for every client otherwise.
            os.kill(pid, signal.SIGTERM if self.is_ours(service) else signal.SIGINT)
            end = time.monotonic() + seconds(self.services[service].get("stop_grace_period", "10s"))
            while self.lives(service):
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    print(f"{service} had to be killed")
                time.sleep(PAUSE)
        if self.state["kafka"] and (self.folder / "kafka").exists():
            subprocess.run([ROOT / "scripts/kafka", "stop", "--data", self.folder / "kafka"], check=True, stdout=subprocess.DEVNULL)
        self.state = {"processes": {}, "kafka": None}
        if self.folder.exists():
            self.save()

    def status(self):
        well = True
        for service in self.services:
            ran = self.state["processes"].get(service)
            if self.is_kafka(service):
                state = "healthy" if self.state["kafka"] and self.is_healthy(service) else "not running"
            elif self.lives(service):
                state = ("healthy" if self.is_healthy(service) else "not healthy") + f", process {ran['pid']}"
            else:
                state = "ended" if ran else "not running"
            well &= state.startswith("healthy") or (state == "ended" and "healthcheck" not in self.services[service])
            print(f"{service}: {state}")
        return 0 if well else 1

    def run(self, service, arguments):
        if not self.state.get("program"):
            fail(f"nothing runs in {self.folder}; `up` starts it")
        return subprocess.run([self.state["program"], *arguments], env=self.environment(service)).returncode


def main():
    parser = argparse.ArgumentParser(prog="scripts/compose-native")
    what = parser.add_subparsers(dest="what", required=True)
    for name in ("up", "down", "status", "run"):
        command = what.add_parser(name)
        command.add_argument("--folder", default=".holdfast-compose-native")
        if name == "up":
            command.add_argument("--program", required=True)
        if name == "run":
            command.add_argument("service")
            command.add_argument("arguments", nargs=argparse.REMAINDER)
    what.add_parser("config")
    asked = parser.parse_args()
    if asked.what == "config":
        print(json.dumps(config()))
        return 0
    native = Native(asked.folder)
    if asked.what == "up":
        # Not within what ends everything when it fails: what runs is another's.
        native.must_not_run()
        try:
            native.up(asked.program)
        except BaseException:
            native.down()
            raise
        return 0
    if asked.what == "run":
        return native.run(asked.service, asked.arguments)
    return native.down() if asked.what == "down" else native.status()


if __name__ == "__main__":
    sys.exit(main())
