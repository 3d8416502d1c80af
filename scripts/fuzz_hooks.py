"""What schemathesis' cases against Holdfast are given beside what it invents: real ids, credentials, whole requests that
succeed, and strings that break parsers. `scripts/fuzz` starts the server and sets the environment:
  HOLDFAST_FUZZ_URL        where it is
  HOLDFAST_FUZZ_ADMIN      e-mail and password of an admin, with a blank between them
  HOLDFAST_FUZZ_REPORT     file that says at the end which statuses each operation has answered
  HOLDFAST_FUZZ_SEED       what chance begins with
"""

import atexit
import collections
import json
import os
import random
import uuid

import requests
import schemathesis
from schemathesis.core import NOT_SET

URL = os.environ["HOLDFAST_FUZZ_URL"]
CHANCE = random.Random(int(os.environ["HOLDFAST_FUZZ_SEED"]))
PASSWORD = "correct horse battery"
# What no text may carry, what no mail may carry, and what is one letter of two characters.
HOSTILE = ["\x00", "\r", "a\r.\r\nb", "e\u0308", "\u0301", "\u202e", "\ud7ff", "\U0001f3ab", "'", "%00", "{}", "\\"]
# How often a case is given a real id, the whole of a request that succeeds, or a hostile string.
REAL_ID, WHOLE, HOSTILE_STRING = 0.7, 0.3, 0.15
# And how often before the operation has had its first success.
WHOLE_AT_FIRST = 0.8

# The tokens of the data set must outlive these.
ENDS_TOKENS = ["DELETE /v1/sessions", "DELETE /v1/sessions/{id}", "DELETE /v1/sessions/current",
               "PUT /v1/users/me/password", "DELETE /v1/users/me"]

# After these, nothing more is sold of a thing.
USES_UP = ["POST /v1/shows/{id}/cancel", "PATCH /v1/shows/{id}", "POST /v1/flights/{id}/cancel",
           "POST /v1/inventories/{id}/close-sales"]

answered = collections.defaultdict(collections.Counter)
session = requests.Session()


class Failed(Exception):
    """The data set could not be made."""


def ask(method, path, token=None, body=None, key=True, **headers):
    """A request of the data set's; its answer must be a success."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if key and method == "POST":
        headers["Idempotency-Key"] = str(uuid.uuid4())
    answer = session.request(method, URL + path, json=body, headers=headers, timeout=30)
    if answer.status_code >= 300:
        raise Failed(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json() if answer.content else None


class Market:
    """What is there to ask for. What a case uses up is made anew."""

    def __init__(self):
        email, password = os.environ["HOLDFAST_FUZZ_ADMIN"].split()
        self.admin = self.sign_in(email, password)
        self.customer_id, self.customer_email, self.customer = self.user()
        agent_id, _, self.agent = self.user()
        self.other_id = self.user()[0]
        ask("PUT", f"/v1/users/{agent_id}/role", self.admin, {"role": "agent"})
        self.cities = [self.city() for _ in range(2)]
        self.airports = [self.airport(city) for city in self.cities]
        self.airplane_id = self.airplane()
        self.inventories = [self.show() for _ in range(3)]
        self.flight_ids = [self.flight() for _ in range(2)]
        self.endpoint_id = self.endpoint()
        self.bookings = [self.booking() for _ in range(3)]
        self.reminder_id = self.reminder()
        self.guest_id = self.guest()
        self.key = self.api_key()["key"]

    def sign_in(self, email, password):
        return ask("POST", "/v1/sessions", body={"email": email, "password": password}, key=False)["token"]

    def user(self):
        email = f"{uuid.uuid4()}@example.com"
        made = ask("POST", "/v1/users", body={"email": email, "password": PASSWORD}, key=False)
        return made["id"], email, self.sign_in(email, PASSWORD)

    def city(self):
        return ask("POST", "/v1/cities", self.admin, {"name": f"City {uuid.uuid4()}"})["id"]

    def airport(self, city):
        while True:
            code = "".join(CHANCE.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=3))
            body = {"code": code, "name": f"Airport {code}", "city_id": city, "zone": "Europe/Berlin"}
            try:
                return ask("POST", "/v1/airports", self.admin, body)["id"]
            except Failed as failed:
                if "airport_code_taken" not in str(failed):
                    raise

    def airplane(self):
        return ask("POST", "/v1/airplanes", self.admin, {"model": "A320neo", "capacity": 180})["id"]

    def show_body(self):
        price = {"amount": 4950, "currency": "GBP"}
        policy = {"hold_seconds": 900, "live_bookings_per_user": 0, "seats_per_user": 0, "holds_per_user": 0}
        return {"name": f"Show {uuid.uuid4()}", "capacity": 50_000, "price": price, "policy": policy,
                "starts_at": "2090-06-01T19:30:00Z", "zone": "Europe/London"}

    def show(self):
        return ask("POST", "/v1/shows", self.admin, self.show_body())["id"]

    def flight_body(self):
        month, day = CHANCE.randint(1, 12), CHANCE.randint(1, 27)
        number = "".join(CHANCE.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=2)) + str(CHANCE.randint(1, 9999))
        price = {"amount": 24900, "currency": "EUR"}
        return {"number": number, "airplane_id": self.airplane_id, "departure_airport_id": self.airports[0],
                "arrival_airport_id": self.airports[1], "departs_at": f"2090-{month:02}-{day:02}T08:30:00Z",
                "arrives_at": f"2090-{month:02}-{day:02}T10:30:00Z", "price": price}

    def flight(self):
        return ask("POST", "/v1/flights", self.admin, self.flight_body())["id"]

    def endpoint_body(self):
        # A closed port of this machine: deliveries fail, are listed, and can be asked for again.
        return {"url": "http://127.0.0.1:9/hooks", "event_types": ["booking.confirmed.v1"]}

    def endpoint(self):
        return ask("POST", "/v1/webhook-endpoints", self.admin, self.endpoint_body())["id"]

    def living_endpoint(self):
        """Cases delete what earlier answers have named, too."""
        try:
            ask("GET", f"/v1/webhook-endpoints/{self.endpoint_id}", self.admin)
        except Failed:
            self.endpoint_id = self.endpoint()
        return self.endpoint_id

    def delivery(self):
        self.living_endpoint()
        ask("POST", f"/v1/webhook-endpoints/{self.endpoint_id}/ping", self.admin, key=False)
        page = ask("GET", f"/v1/webhook-endpoints/{self.endpoint_id}/deliveries", self.admin)
        return page["data"][0]["id"]

    def booking(self):
        body = {"inventory_id": self.show(), "quantity": 1}
        return ask("POST", "/v1/bookings", self.customer, body)["id"]

    def reminder_body(self):
        return {"subject": "Check in", "content": "It is open.", "remind_at": "2090-06-01T07:30:00Z"}

    def reminder(self):
        return ask("POST", "/v1/reminders", self.customer, self.reminder_body())["id"]

    def guest_body(self):
        return {"email": f"{uuid.uuid4()}@example.com", "name": "Grace Hopper"}

    def guest(self):
        return ask("POST", "/v1/guests", self.agent, self.guest_body())["id"]

    def api_key_body(self):
        scopes = ["bookings:read", "bookings:write", "shows:admin", "webhooks:read"]
        return {"name": "fuzz", "scopes": scopes}

    def api_key(self, token=None):
        return ask("POST", "/v1/api-keys", token or self.admin, self.api_key_body(), key=False)

    def failed_mail(self):
        failed = ask("GET", "/v1/mails/failed", self.admin)["data"]
        return failed[0]["id"] if failed else None

    def failed_reminder(self):
        reminders = ask("GET", "/v1/reminders", self.customer)["data"]
        failed = [reminder["id"] for reminder in reminders if reminder["status"] == "failed"]
        if not failed:
            due = dict(self.reminder_body(), remind_at="2020-01-01T00:00:00Z")
            ask("POST", "/v1/reminders", self.customer, due)
            return None
        return failed[0]


market = Market()


def real_id(path):
    """An id that the operation knows."""
    for prefix, ids in [
        ("/v1/airplanes", [market.airplane_id]), ("/v1/airports", market.airports), ("/v1/cities", market.cities),
        ("/v1/bookings", market.bookings), ("/v1/flights", market.flight_ids), ("/v1/guests", [market.guest_id]),
        ("/v1/inventories", market.inventories + market.flight_ids), ("/v1/reminders", [market.reminder_id]),
        ("/v1/shows", market.inventories), ("/v1/users", [market.other_id]),
        ("/v1/webhook-endpoints", [market.endpoint_id]),
    ]:
        if path.startswith(prefix):
            return CHANCE.choice(ids)
    return None


def whole(name):
    """Token, path parameters and body of a request of this operation that succeeds; None: as it was invented."""
    admin, customer = market.admin, market.customer
    any_inventory = {"id": CHANCE.choice(market.inventories)}
    first_city = {"id": market.cities[0]}
    recipes = {
        "POST /v1/airplanes": lambda: (admin, {}, {"model": "A320neo", "capacity": 180}),
        "PATCH /v1/airplanes/{id}": lambda: (admin, {"id": market.airplane()}, {"capacity": 186}),
        "DELETE /v1/airplanes/{id}": lambda: (admin, {"id": market.airplane()}, NOT_SET),
        "POST /v1/cities": lambda: (admin, {}, {"name": f"City {uuid.uuid4()}"}),
        "PATCH /v1/cities/{id}": lambda: (admin, first_city, {"name": f"City {uuid.uuid4()}"}),
        "DELETE /v1/cities/{id}": lambda: (admin, {"id": market.city()}, NOT_SET),
        "PATCH /v1/airports/{id}": lambda: (admin, {"id": market.airports[0]}, {"name": "Berlin"}),
        "DELETE /v1/airports/{id}": lambda: (admin, {"id": market.airport(market.cities[0])}, NOT_SET),
        "POST /v1/shows": lambda: (admin, {}, market.show_body()),
        "PATCH /v1/shows/{id}": lambda: (admin, {"id": market.show()}, {"starts_at": "2090-07-01T19:30:00Z"}),
        "POST /v1/shows/{id}/cancel": lambda: (admin, {"id": market.show()}, {"reason": "illness"}),
        "POST /v1/flights": lambda: (admin, {}, market.flight_body()),
        "PATCH /v1/flights/{id}": lambda: (admin, {"id": market.flight()}, {"gate": "B7"}),
        "POST /v1/flights/{id}/cancel": lambda: (admin, {"id": market.flight()}, {"reason": "weather"}),
        "POST /v1/inventories/{id}/block": lambda: (admin, any_inventory, {"quantity": 1, "reason": "desk"}),
        "POST /v1/inventories/{id}/capacity": lambda: (admin, any_inventory, {"capacity": 49_000}),
        "POST /v1/inventories/{id}/close-sales": lambda: (admin, {"id": market.show()}, {}),
        "POST /v1/bookings": lambda: (customer, {}, {"inventory_id": market.show(), "quantity": 1}),
        "POST /v1/bookings/{id}/confirm": lambda: (customer, {"id": market.booking()}, {}),
        "POST /v1/bookings/{id}/cancel": lambda: (customer, {"id": market.booking()}, {}),
        "POST /v1/reminders": lambda: (customer, {}, market.reminder_body()),
        "DELETE /v1/reminders/{id}": lambda: (customer, {"id": market.reminder()}, NOT_SET),
        "POST /v1/webhook-endpoints": lambda: (admin, {}, market.endpoint_body()),
        "POST /v1/guests": lambda: (market.agent, {}, market.guest_body()),
        "GET /v1/guests/{id}": lambda: (market.agent, {"id": market.guest()}, NOT_SET),
        "DELETE /v1/guests/{id}": lambda: (market.agent, {"id": market.guest()}, NOT_SET),
        "GET /v1/users/me": lambda: (customer, {}, NOT_SET),
    }

    def airport():
        body = {"code": "".join(CHANCE.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=3)), "name": "Airport",
                "city_id": market.cities[0], "zone": "Europe/Berlin"}
        return admin, {}, body

    def unblock():
        blocked = market.show()
        ask("POST", f"/v1/inventories/{blocked}/block", admin, {"quantity": 1, "reason": "desk"})
        return admin, {"id": blocked}, {"quantity": 1}

    def reopen():
        closed = market.show()
        ask("POST", f"/v1/inventories/{closed}/close-sales", admin, {})
        return admin, {"id": closed}, {}

    def sign_in():
        return None, {}, {"email": market.customer_email, "password": PASSWORD}

    def sign_up():
        return None, {}, {"email": f"{uuid.uuid4()}@example.com", "password": PASSWORD}

    def sign_out():
        return market.user()[2], {}, NOT_SET

    def end_session():
        token = market.user()[2]
        return token, {"id": ask("GET", "/v1/sessions", token)["data"][0]["id"]}, NOT_SET

    def api_key():
        # An account has at most ten: the oldest, which is `market.key`, stays.
        for old in ask("GET", "/v1/api-keys", admin)["data"][:-1]:
            ask("DELETE", f"/v1/api-keys/{old['id']}", admin)
        return admin, {}, market.api_key_body()

    def end_api_key():
        api_key()
        return admin, {"id": market.api_key()["id"]}, NOT_SET

    def password():
        token = market.user()[2]
        return token, {}, {"current_password": PASSWORD, "new_password": "another horse battery"}

    def leave():
        return market.user()[2], {}, {"current_password": PASSWORD}

    def role():
        return admin, {"id": market.user()[0]}, {"role": CHANCE.choice(["customer", "agent"])}

    def of_endpoint():
        return admin, {"id": market.living_endpoint()}, NOT_SET

    def end_endpoint():
        return admin, {"id": market.endpoint()}, NOT_SET

    def redeliver():
        delivery = market.delivery()
        return admin, {"id": market.endpoint_id, "delivery_id": delivery}, NOT_SET

    def mail():
        found = market.failed_mail()
        return found and (admin, {"id": found}, NOT_SET)

    def reminder():
        found = market.failed_reminder()
        return found and (customer, {"id": found}, NOT_SET)

    recipes.update({
        "POST /v1/airports": airport, "POST /v1/inventories/{id}/unblock": unblock,
        "POST /v1/inventories/{id}/reopen-sales": reopen, "POST /v1/sessions": sign_in, "POST /v1/users": sign_up,
        "DELETE /v1/sessions/current": sign_out, "DELETE /v1/sessions": sign_out,
        "DELETE /v1/sessions/{id}": end_session,
        "POST /v1/api-keys": api_key, "DELETE /v1/api-keys/{id}": end_api_key, "PUT /v1/users/me/password": password,
        "PUT /v1/users/{id}/role": role, "DELETE /v1/users/me": leave,
        "DELETE /v1/webhook-endpoints/{id}": end_endpoint,
        "POST /v1/webhook-endpoints/{id}/enable": of_endpoint, "POST /v1/webhook-endpoints/{id}/ping": of_endpoint,
        "POST /v1/webhook-endpoints/{id}/replay": of_endpoint,
        "POST /v1/webhook-endpoints/{id}/rotate-secret": of_endpoint,
        "POST /v1/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver": redeliver,
        "POST /v1/mails/{id}/retry": mail, "POST /v1/reminders/{id}/retry": reminder,
    })
    recipe = recipes.get(name)
    if recipe is None:
        # A read: whatever was invented, with real ids and no filter.
        return (CHANCE.choice([admin, customer]) if "/users/me" in name else admin, None, NOT_SET)
    try:
        return recipe()
    except Failed:
        return None


def with_hostile(value):
    """The same value with something hostile in one of its strings, where it has one."""
    if isinstance(value, str):
        at = CHANCE.randint(0, len(value))
        return value[:at] + CHANCE.choice(HOSTILE) + value[at:]
    if isinstance(value, dict) and value:
        name = CHANCE.choice(list(value))
        return {**value, name: with_hostile(value[name])}
    if isinstance(value, list) and value:
        at = CHANCE.randrange(len(value))
        return value[:at] + [with_hostile(value[at])] + value[at + 1:]
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    name = f"{case.operation.method.upper()} {case.operation.path}"
    token = CHANCE.choice([market.admin] * 5 + [market.agent] * 2 + [market.customer] * 3 + [market.key, None, "no.such.token"])
    if name in ENDS_TOKENS and token:
        token = market.user()[2]
    # What is used up is made for it (`whole`): the others still need the rest.
    uses_up = case.operation.method.upper() == "DELETE" or name in USES_UP
    if case.path_parameters and CHANCE.random() < REAL_ID and not uses_up:
        known = real_id(case.operation.path)
        if known and "id" in case.path_parameters:
            case.path_parameters["id"] = known
    succeeded = any(200 <= status < 300 for status in answered[name])
    given = whole(name) if CHANCE.random() < (WHOLE if succeeded else WHOLE_AT_FIRST) else None
    if given:
        token, path, body = given
        if path:
            case.path_parameters = path
        elif path is None and case.path_parameters and real_id(case.operation.path):
            case.path_parameters["id"] = real_id(case.operation.path)
        case.query = {}
        case.headers = {"Idempotency-Key": str(uuid.uuid4()), "If-Match": "*"}
        case.body = body
        case.media_type = None if body is NOT_SET else "application/json"
    elif CHANCE.random() < HOSTILE_STRING:
        case.body = with_hostile(case.body)
        case.query = with_hostile(case.query)
    headers = dict(case.headers or {})
    headers.pop("Authorization", None)
    headers.pop("x-access-token", None)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    case.headers = headers


@schemathesis.hook
def after_call(context, case, response):
    name = f"{case.operation.method.upper()} {case.operation.path}"
    answered[name][response.status_code] += 1


@atexit.register
def report():
    with open(os.environ["HOLDFAST_FUZZ_REPORT"], "w") as file:
        json.dump({name: dict(statuses) for name, statuses in sorted(answered.items())}, file, indent=1)
