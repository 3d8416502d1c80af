// Can newcomers sign up, sign in and book at once, while one small flight sells out?
//
// The first of Airbourne's load tests, made anew from its contract: 25 users for a minute; each makes an account, signs in and
// asks for 1 to 5 seats of one flight. The flight has 200 seats, so most of them are told that it is sold out: an answer
// like any other here, and none of the failures that the threshold counts.
//
// VUS and DURATION change the load; lib/airbourne.js says how to change where it goes.
import http from 'k6/http';
import { check, sleep } from 'k6';
import { BOOKS, balance, book, openFlights, signIn, signUp } from './lib/airbourne.js';
import { SETTLE_SECONDS_MAX, upTo } from './lib/books.js';

const SEATS = 200;
const SEATS_PER_BOOKING_MAX = 5;

http.setResponseCallback(http.expectedStatuses(200, 201, 409));

export const options = {
  vus: Number(__ENV.VUS || 25),
  duration: __ENV.DURATION || '1m',
  teardownTimeout: `${SETTLE_SECONDS_MAX + 30}s`,
  thresholds: {
    http_req_duration: ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
    checks: ['rate==1'],
    ...BOOKS,
  },
};

export function setup() {
  return openFlights(1, SEATS, () => ['2025-10-10T10:00:00Z', '2025-10-10T12:00:00Z']);
}

export default function (flights) {
  const user = signIn(signUp());
  if (user) {
    const answer = book(flights[0], user, upTo(SEATS_PER_BOOKING_MAX));
    check(answer, { 'booked or sold out': (a) => a.status === 200 || a.status === 409 });
  }
  sleep(1);
}

export function teardown(flights) {
  balance(flights);
}
