// Does searching stay fast and right while seats are sold all the time?
//
// 600 flights between six airports in three time zones. Each user asks for a route and a day, or goes through all flights of
// an airport or a city page by page, by departure, price or duration; one in ten books a seat of what it found. The flights
// are known, so each answer is held against them: nothing is missing, nothing comes twice, all of it in order, on every
// page, though seats are sold between two pages. A search for seats finds no flight that has fewer, and what it does not find
// has fewer, too: seats are only sold here, so what has enough a moment later had enough before.
//
// At the end the server is asked what it has sold: as much as was answered, and sold and left make up every flight.
//
// VUS and DURATION change the load; lib/native.js says how to change where it goes.
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { SETTLE_SECONDS_MAX, oneOf, settled, upTo } from './lib/books.js';
import {
  HOUR_MS, airport, allPages, fresh, get, openFlights, post, searchPath, seatsOfFlight, signIn, signInAdmin, signUp,
} from './lib/native.js';

const ZONES = ['Europe/Berlin', 'America/New_York', 'Asia/Tokyo'];
const AIRPORTS = 6;
const DAYS = 5;
const FLIGHTS_PER_DAY = 4;
const SEATS = 40;
const CUSTOMERS = 5;
const PAGE = 7;
const SEATS_WANTED_MAX = 30;
const SORTED_BY = { departure: 'departsAt', price: 'price', duration: 'duration' };

const missing = new Counter('flights_missing');
const unasked = new Counter('flights_unasked_for');
const twice = new Counter('flights_twice');
const outOfOrder = new Counter('flights_out_of_order');
const seatsUnaccounted = new Counter('seats_unaccounted');
const seatsOutOfPlace = new Counter('seats_out_of_place');
const seatsSold = new Counter('seats_sold');
const pages = new Counter('pages');

const ROUTE = { operation: 'route' };
const LIST = { operation: 'list' };

http.setResponseCallback(http.expectedStatuses(200, 201, 409));

export const options = {
  scenarios: {
    search: { executor: 'constant-vus', vus: Number(__ENV.VUS || 50), duration: __ENV.DURATION || '60s' },
  },
  setupTimeout: '120s',
  teardownTimeout: `${SETTLE_SECONDS_MAX + 60}s`,
  thresholds: {
    'http_req_duration{operation:route}': ['p(95)<200'],
    'http_req_duration{operation:list}': ['p(95)<200'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    pages: ['count>0'],
    seats_sold: ['count>0'],
    flights_missing: ['count==0'],
    flights_unasked_for: ['count==0'],
    flights_twice: ['count==0'],
    flights_out_of_order: ['count==0'],
    seats_unaccounted: ['count==0'],
    seats_out_of_place: ['count==0'],
  },
};

export function setup() {
  const admin = signInAdmin();
  const airports = Array.from({ length: AIRPORTS }, (_, i) => airport(admin, ZONES[i % ZONES.length]));
  const routes = airports.flatMap((from) => airports.filter((to) => to !== from).map((to) => ({ from, to })));
  const times = Array.from({ length: DAYS * FLIGHTS_PER_DAY }, (_, i) => (i * 24 * HOUR_MS) / FLIGHTS_PER_DAY);
  const flights = routes.flatMap((route, r) =>
    times.map((departsIn, t) => ({
      ...route, departsIn, flies: (1 + ((r + t) % 9)) * HOUR_MS, price: 5000 + ((r * 37 + t * 11) % 90) * 100,
      capacity: SEATS, policy: { hold_seconds: 0, seats_per_booking: SEATS_WANTED_MAX },
    })),
  );
  const tokens = Array.from({ length: CUSTOMERS }, () => signIn(signUp().email));
  return { airports, tokens, flights: openFlights(admin, flights) };
}

export default function (data) {
  const found = Math.random() < 0.7 ? routeAndDay(data) : everyPage(data);
  if (found && found.length > 0 && Math.random() < 0.1) {
    book(data, oneOf(found));
  }
}

// The flights of a route on a day: all of them, or those that have as many seats as are wanted.
function routeAndDay({ flights }) {
  const { from, to, day } = oneOf(flights);
  const seats = Math.random() < 0.5 ? upTo(SEATS_WANTED_MAX) : undefined;
  const answer = get(searchPath({ from, to, date: day, seats }), { tags: ROUTE });
  if (!check(answer, { 'a route was answered': (a) => a.status === 200 })) {
    return null;
  }
  const found = answer.json().data;
  const there = flights.filter((f) => f.day === day && f.from === from && f.to === to);
  if (seats === undefined) {
    compare(found, there, 'departure');
  } else {
    check(found, { 'as many seats as were wanted': (all) => all.every((f) => f.availability.available >= seats) });
    compare(found, there.filter(({ id }) => has(found, id) || seatsOfFlight(id).available >= seats), 'departure');
  }
  return found;
}

function has(flights, id) {
  return flights.some((flight) => flight.id === id);
}

// All flights that leave somewhere, page by page.
function everyPage({ airports, flights }) {
  const { id, code, city } = oneOf(airports);
  const sort = oneOf(Object.keys(SORTED_BY));
  const answered = (answer) => {
    pages.add(1);
    return check(answer, { 'a page was answered': (a) => a.status === 200 });
  };
  // Prices compare within one currency; the flights here are all sold in this one.
  const currency = sort === 'price' ? { currency: 'EUR' } : {};
  const filters = { from: oneOf([id, code, city]), sort, ...currency, limit: PAGE };
  const found = allPages(filters, answered, LIST);
  if (found) {
    compare(found, flights.filter((f) => f.from === code), sort);
  }
  return found;
}

// Holds what was found against what is there.
function compare(found, there, sort) {
  const known = new Map(there.map((flight) => [flight.id, flight[SORTED_BY[sort]]]));
  const ids = new Set(found.map(({ id }) => id));
  twice.add(found.length - ids.size);
  missing.add(there.filter(({ id }) => !ids.has(id)).length);
  unasked.add([...ids].filter((id) => !known.has(id)).length);
  const keys = found.map(({ id }) => known.get(id));
  outOfOrder.add(keys.filter((key, i) => i > 0 && key < keys[i - 1]).length);
}

function book({ tokens }, { id }) {
  const ask = { inventory_id: id, quantity: 1 };
  const answer = post('/v1/bookings', ask, { token: oneOf(tokens), key: fresh('seat') });
  check(answer, { 'booked or sold out': (a) => a.status === 201 || a.status === 409 });
  if (answer.status === 201) {
    seatsSold.add(1);
    seatsUnaccounted.add(1);
  }
}

export function teardown({ flights }) {
  const sold = () => flights.reduce((sum, { id }) => sum + seatsOfFlight(id).confirmed, 0);
  seatsUnaccounted.add(-settled(sold));
  for (const { id, capacity } of flights) {
    const seats = seatsOfFlight(id);
    const { held, confirmed, blocked, available } = seats;
    seatsOutOfPlace.add(Math.abs(seats.capacity - capacity) + Math.abs(capacity - held - confirmed - blocked - available));
  }
}
