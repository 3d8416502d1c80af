// Does a rush on one sale stay fast, and do the books balance afterwards?
//
// 500 users ask as fast as they are answered, for a minute: 1 to 5 of 50,000 tickets for one of 10,000
// user ids, and each user may buy once. So most answers are "user already bought ticket"; what is
// measured is how fast a busy sale says yes and no. It is booking_monitor's load test, made anew from
// its contract, and runs against its server as well, but for the last part.
//
// The last part: the server is asked what it has sold. Users cannot hand what they counted to
// `teardown`, but they can share a counter with it: each accepted answer adds to `seats_unaccounted`,
// teardown takes off what the server says is sold, and the threshold wants 0. A request that is never
// answered cannot be accounted for, and fails the run as well.
//
// VUS, DURATION and BASE_URL change the load and where it goes.
import http from 'k6/http';
import { check } from 'k6';
import { Counter, Rate } from 'k6/metrics';
import { JSON_BODY, SETTLE_SECONDS_MAX, got, seatsOf, settled, upTo } from './lib/books.js';

const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';
const TICKETS = 50000;
const USERS = 10000;
const QUANTITY_MAX = 5;

const businessErrors = new Rate('business_errors');
const accepted = new Counter('answers_accepted');
const duplicate = new Counter('answers_duplicate');
const soldOut = new Counter('answers_sold_out');
const bookingsUnaccounted = new Counter('bookings_unaccounted');
const seatsUnaccounted = new Counter('seats_unaccounted');
const seatsOutOfPlace = new Counter('seats_out_of_place');

export const options = {
  scenarios: {
    flash_sale: {
      executor: 'constant-vus',
      vus: Number(__ENV.VUS || 500),
      duration: __ENV.DURATION || '60s',
    },
  },
  teardownTimeout: `${SETTLE_SECONDS_MAX + 30}s`,
  thresholds: {
    business_errors: ['rate<0.01'],
    http_req_duration: ['p(95)<200'],
    // Shown, not judged: k6 counts each 409 as failed.
    http_req_failed: [],
    bookings_unaccounted: ['count==0'],
    seats_unaccounted: ['count==0'],
    seats_out_of_place: ['count==0'],
  },
};

export function setup() {
  const sale = { name: `K6 Load Test Event ${Date.now()}`, total_tickets: TICKETS };
  const answer = http.post(`${BASE_URL}/api/v1/events`, JSON.stringify(sale), JSON_BODY);
  if (!check(answer, { 'setup event created': (a) => a.status === 201 })) {
    throw new Error(`the sale could not be opened: ${answer.status} ${answer.body}`);
  }
  return { event: answer.json('id'), listedBefore: settled(listed) };
}

export default function ({ event }) {
  const quantity = upTo(QUANTITY_MAX);
  const ask = { user_id: upTo(USERS), event_id: event, quantity };
  const answer = http.post(`${BASE_URL}/api/v1/book`, JSON.stringify(ask), JSON_BODY);
  const known = check(answer, { 'accepted or refused': (a) => a.status === 200 || a.status === 409 });
  businessErrors.add(!known);
  if (answer.status === 200) {
    accepted.add(1);
    bookingsUnaccounted.add(1);
    seatsUnaccounted.add(quantity);
  } else if (answer.status === 409) {
    (answer.body.includes('sold out') ? soldOut : duplicate).add(1);
  }
}

export function teardown({ event, listedBefore }) {
  bookingsUnaccounted.add(listedBefore - settled(listed));
  // Read once the counts stand still, so that one answer is the whole truth.
  settled(() => seatsOf(BASE_URL, event).confirmed);
  const { capacity, held, confirmed, blocked, available } = seatsOf(BASE_URL, event);
  seatsUnaccounted.add(-confirmed);
  const placed = held + confirmed + blocked + available;
  seatsOutOfPlace.add(Math.abs(TICKETS - capacity) + Math.abs(capacity - placed));
  console.log(`the server sold ${confirmed} of ${capacity} seats; ${available} are left`);
}

// Bookings that the history lists, of all events: nothing else may book meanwhile.
function listed() {
  return got(`${BASE_URL}/api/v1/history?page=1&size=1`).json('meta.total');
}
