// Do bookings stay fast while people sign in all the time?
//
// The second of Airbourne's load tests, made anew from its contract: up to 100 users; each signs in as one of ten accounts
// and books ten times, 1 to 5 seats of one of ten flights, as fast as it is answered; then it rests for a second. Every
// booking must be accepted: the flights are large enough.
//
// USERS is how many there are at the peak (Airbourne was also tried with 500); lib/airbourne.js says where the load goes.
import { check, sleep } from 'k6';
import { BOOKS, balance, book, openFlights, signIn, signUp } from './lib/airbourne.js';
import { SETTLE_SECONDS_MAX, oneOf, upTo } from './lib/books.js';

const USERS = Number(__ENV.USERS || 100);
const STAGE = __ENV.STAGE || '30s';
const FLIGHTS = 10;
const CAPACITY = 100000;
const ACCOUNTS = 10;
const BOOKINGS = 10;
const SEATS_PER_BOOKING_MAX = 5;

export const options = {
  stages: [0.2, 0.5, 1, 0].map((share) => ({ duration: STAGE, target: Math.ceil(USERS * share) })),
  setupTimeout: '60s',
  teardownTimeout: `${SETTLE_SECONDS_MAX + 30}s`,
  thresholds: {
    http_req_duration: ['p(95)<200'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    ...BOOKS,
  },
};

export function setup() {
  const times = (i) => [`2025-10-10T${10 + i}:00:00Z`, `2025-10-10T${12 + i}:00:00Z`];
  const flights = openFlights(FLIGHTS, CAPACITY, times);
  return { flights, emails: Array.from({ length: ACCOUNTS }, () => signUp()) };
}

export default function ({ flights, emails }) {
  const user = signIn(oneOf(emails));
  for (let i = 0; user && i < BOOKINGS; i += 1) {
    const answer = book(oneOf(flights), user, upTo(SEATS_PER_BOOKING_MAX));
    check(answer, { booked: (a) => a.status === 200 });
  }
  sleep(1);
}

export function teardown({ flights }) {
  balance(flights);
}
