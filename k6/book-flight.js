// Does the whole way to a seat hold under load: search, book, confirm, cancel, ask again?
//
// Customers sign in, search for a route and a day, most of them for as many seats as they want, and book a flight of what they
// found. Some confirm, some of those cancel later, some cancel at once, some leave the hold alone, and some send their
// booking again with the same key, as a client does whose connection broke: that must be the same booking. One flight of ten
// is small, so that it sells out under their hands.
//
// At the end the server is asked twice over. The flights: sold, held and left make up the capacity, and what is sold and held
// is what was answered. The bookings of every customer: as many as were answered, each once, and as many of each status.
//
// VUS and DURATION change the load; lib/native.js says how to change where it goes.
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { SETTLE_SECONDS_MAX, oneOf, settled, upTo } from './lib/books.js';
import {
  HOUR_MS, airport, bookingsOf, fresh, get, openFlights, post, searchPath, seatsOfFlight, signIn, signInAdmin, signUp,
} from './lib/native.js';

const ZONES = ['Europe/Berlin', 'America/New_York'];
const AIRPORTS = 3;
const FLIGHTS_PER_ROUTE = 10;
const SEATS = 20000;
const SEATS_OF_THE_SMALL = 30;
const CUSTOMERS = 20;
// Longer than a run, which lasts as long as a token at most: what is left alone is still held when the books are balanced.
const HOLD_SECONDS = 7200;
const SEATS_PER_BOOKING_MAX = 4;

const accepted = new Counter('bookings_accepted');
const refused = new Counter('bookings_refused');
const unaccounted = {
  held: new Counter('bookings_held_unaccounted'),
  confirmed: new Counter('bookings_confirmed_unaccounted'),
  cancelled: new Counter('bookings_cancelled_unaccounted'),
  expired: new Counter('bookings_expired_unaccounted'),
};
const storedTwice = new Counter('bookings_stored_twice');
const seatsUnaccounted = new Counter('seats_unaccounted');
const seatsOutOfPlace = new Counter('seats_out_of_place');

const SEARCH = { operation: 'search' };
const BOOK = { operation: 'book' };
const CHANGE = { operation: 'change' };

http.setResponseCallback(http.expectedStatuses(200, 201, 409));

export const options = {
  scenarios: {
    book: { executor: 'constant-vus', vus: Number(__ENV.VUS || 50), duration: __ENV.DURATION || '60s' },
  },
  setupTimeout: '120s',
  teardownTimeout: `${2 * SETTLE_SECONDS_MAX + 120}s`,
  thresholds: {
    'http_req_duration{operation:search}': ['p(95)<200'],
    'http_req_duration{operation:book}': ['p(95)<200', 'p(99)<500'],
    'http_req_duration{operation:change}': ['p(95)<200', 'p(99)<500'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    bookings_accepted: ['count>0'],
    bookings_held_unaccounted: ['count==0'],
    bookings_confirmed_unaccounted: ['count==0'],
    bookings_cancelled_unaccounted: ['count==0'],
    bookings_expired_unaccounted: ['count==0'],
    bookings_stored_twice: ['count==0'],
    seats_unaccounted: ['count==0'],
    seats_out_of_place: ['count==0'],
  },
};

export function setup() {
  const admin = signInAdmin();
  const airports = Array.from({ length: AIRPORTS }, (_, i) => airport(admin, ZONES[i % ZONES.length]));
  const routes = airports.flatMap((from) => airports.filter((to) => to !== from).map((to) => ({ from, to })));
  const flights = routes.flatMap((route) =>
    Array.from({ length: FLIGHTS_PER_ROUTE }, (_, i) => ({
      ...route, departsIn: i * 5 * HOUR_MS, flies: 2 * HOUR_MS, price: 9900 + i * 1000,
      capacity: i === 0 ? SEATS_OF_THE_SMALL : SEATS, policy: { hold_seconds: HOLD_SECONDS, ...NO_LIMITS },
    })),
  );
  const opened = openFlights(admin, flights);
  return { admin, flights: opened, customers: Array.from({ length: CUSTOMERS }, () => signUp()) };
}

// The few accounts of this load book for many: without the limits that a sale has for one customer.
const NO_LIMITS = { live_bookings_per_user: 0, seats_per_user: 0, holds_per_user: 0 };
// Of this user: signed in once.
let token;

export default function ({ flights, customers }) {
  token = token || signIn(oneOf(customers).email);
  const quantity = upTo(SEATS_PER_BOOKING_MAX);
  const { from, to, day } = oneOf(flights);
  const seats = Math.random() < 0.75 ? quantity : undefined;
  const answer = get(searchPath({ from, to, date: day, seats }), { tags: SEARCH });
  if (!check(answer, { 'the search was answered': (a) => a.status === 200 })) {
    return;
  }
  const flight = oneOf(answer.json().data);
  if (!flight) {
    return;
  }
  const booking = book({ inventory_id: flight.id, quantity });
  if (!booking) {
    return;
  }
  const total = quantity * flight.price.amount;
  check(booking, { 'held, for the price that was shown': (b) => b.status === 'held' && b.total.amount === total });
  const choice = Math.random();
  if (choice < 0.6) {
    change(booking, 'confirm', 'confirmed');
  }
  if (choice > 0.5 && choice < 0.9) {
    change(booking, 'cancel', 'cancelled');
  }
}

// Books, and one time in five sends the same again. The booking as it was answered first; null: there was no seat any more.
function book(ask) {
  const send = { token, key: fresh('booking'), tags: BOOK };
  const answer = post('/v1/bookings', ask, send);
  check(answer, { 'booked or sold out': (a) => a.status === 201 || a.status === 409 });
  if (answer.status !== 201) {
    refused.add(1);
    return null;
  }
  const booking = answer.json();
  accepted.add(1);
  unaccounted.held.add(1);
  seatsUnaccounted.add(ask.quantity);
  if (Math.random() < 0.2) {
    const again = post('/v1/bookings', ask, send);
    check(again, {
      'the same key is the same booking': (a) => a.status === 201 && a.json('id') === booking.id,
      'and says that it was there': (a) => a.headers['Idempotency-Replayed'] === 'true',
    });
  }
  return booking;
}

// Confirms or cancels a booking, and moves it in the books.
function change(booking, command, status) {
  const answer = post(`/v1/bookings/${booking.id}/${command}`, undefined, { token, tags: CHANGE });
  if (!check(answer, { [`${command} was answered ${status}`]: (a) => a.status === 200 && a.json('status') === status })) {
    return;
  }
  unaccounted[booking.status].add(-1);
  unaccounted[status].add(1);
  booking.status = status;
  if (status === 'cancelled') {
    seatsUnaccounted.add(-booking.quantity);
  }
}

export function teardown({ admin, flights, customers }) {
  balanceFlights(flights);
  const count = () => customers.reduce((sum, { id }) => sum + bookingsOf(admin, id).length, 0);
  const stored = settled(count);
  const ids = new Set();
  for (const { id } of customers) {
    for (const booking of bookingsOf(admin, id)) {
      unaccounted[booking.status].add(-1);
      ids.add(booking.id);
    }
  }
  storedTwice.add(stored - ids.size);
  console.log(`the server has ${stored} bookings of ${customers.length} customers`);
}

function balanceFlights(flights) {
  const taken = () => flights.reduce((sum, { id }) => sum + takenOf(seatsOfFlight(id)), 0);
  seatsUnaccounted.add(-settled(taken));
  for (const { id, capacity } of flights) {
    const seats = seatsOfFlight(id);
    seatsOutOfPlace.add(Math.abs(seats.capacity - capacity) + Math.abs(capacity - takenOf(seats) - seats.blocked - seats.available));
  }
}

function takenOf({ held, confirmed }) {
  return held + confirmed;
}
