// Does booking stay fast step by step, at 20, 50 and 100 users who are signed in?
//
// The third of Airbourne's load tests, made anew from its contract: fifty accounts sign in once; then every user books one
// to three times, 1 to 4 seats of one of fifty flights, and rests. The flights' times are written as its clients write them:
// hours of one digit, and hours beyond 24, which are those of the next day.
//
// USERS is how many there are at the peak, STEP how long a step is held; lib/airbourne.js says where the load goes.
import { check, sleep } from 'k6';
import { BOOKS, balance, book, openFlights, signIn, signUp } from './lib/airbourne.js';
import { SETTLE_SECONDS_MAX, oneOf, upTo } from './lib/books.js';

const USERS = Number(__ENV.USERS || 100);
const RISE = __ENV.RISE || '30s';
const STEP = __ENV.STEP || '1m';
const FLIGHTS = 50;
const CAPACITY = 100000;
const ACCOUNTS = 50;
const BOOKINGS_MAX = 3;
const SEATS_PER_BOOKING_MAX = 4;

const SETUP = { operation: 'setup' };
const LOGIN = { operation: 'login' };
const BOOKING = { operation: 'booking' };

const step = (share) => {
  const target = Math.ceil(USERS * share);
  return [{ duration: RISE, target }, { duration: STEP, target }];
};

export const options = {
  stages: [...step(0.2), ...step(0.5), ...step(1), { duration: RISE, target: 0 }],
  setupTimeout: '60s',
  teardownTimeout: `${SETTLE_SECONDS_MAX + 30}s`,
  thresholds: {
    'http_req_duration{operation:setup}': ['p(95)<500'],
    'http_req_duration{operation:login}': ['p(95)<300'],
    'http_req_duration{operation:booking}': ['p(95)<200', 'p(99)<500'],
    'http_req_failed{operation:booking}': ['rate==0'],
    checks: ['rate==1'],
    ...BOOKS,
  },
};

export function setup() {
  const day = (i) => 10 + Math.floor(i / 24);
  const times = (i) => [`2025-10-${day(i)}T${i % 24}:00:00Z`, `2025-10-${day(i)}T${(i % 24) + 2}:00:00Z`];
  const flights = openFlights(FLIGHTS, CAPACITY, times, SETUP);
  return { flights, users: Array.from({ length: ACCOUNTS }, () => signIn(signUp(SETUP), LOGIN)) };
}

export default function ({ flights, users }) {
  const user = oneOf(users);
  for (let left = upTo(BOOKINGS_MAX); user && left > 0; left -= 1) {
    const answer = book(oneOf(flights), user, upTo(SEATS_PER_BOOKING_MAX), BOOKING);
    check(answer, { booked: (a) => a.status === 200 });
    sleep(left > 1 ? 0.3 : 1 + Math.random() * 2);
  }
}

export function teardown({ flights }) {
  balance(flights);
}
