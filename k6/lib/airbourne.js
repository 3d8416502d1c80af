// Airbourne as its clients see it: three services, a token in `x-access-token`, ids that are only handed back.
//
// FLIGHTS_URL, AUTH_URL and GATEWAY_URL say where they are; left out, all of them are BASE_URL. Everything here is part
// of Airbourne's own contract, so its server can be asked the same; it fails at the books.
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { JSON_BODY, got, settled } from './books.js';

const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';
const FLIGHTS_URL = __ENV.FLIGHTS_URL || BASE_URL;
const AUTH_URL = __ENV.AUTH_URL || BASE_URL;
const GATEWAY_URL = __ENV.GATEWAY_URL || BASE_URL;
const PASSWORD = 'password123';

const booked = new Counter('bookings_accepted');
const refused = new Counter('bookings_refused');
const unanswered = new Counter('bookings_unanswered');
const seatsUnaccounted = new Counter('seats_unaccounted');

// For the options of every script: what was sold is what is missing from the flights, and every booking was answered
// (one that was not cannot be accounted for).
export const BOOKS = { seats_unaccounted: ['count==0'], bookings_unanswered: ['count==0'] };

// Names must not meet those of an earlier run against the same server.
function named(prefix) {
  return `${prefix}_${Date.now()}_${Math.floor(Math.random() * 1e6)}`;
}

function made(url, body, tags) {
  const answer = http.post(url, JSON.stringify(body), { ...JSON_BODY, tags });
  if (answer.status !== 201) {
    throw new Error(`${url} answered ${answer.status} ${answer.body}`);
  }
  return answer.json('data.id');
}

// Flights between two new cities on one new airplane: { id, capacity } each. `times(i)` says when the i-th leaves and lands.
export function openFlights(count, capacity, times, tags = {}) {
  const create = (path, body) => made(`${FLIGHTS_URL}/api/v1/${path}`, body, tags);
  const airport = (role) =>
    create('airports', { name: named(role), address: named('Street'), cityId: create('city', { name: named('City') }) });
  const [departureAirportID, arrivalAirportId] = [airport('Departure'), airport('Arrival')];
  const airplaneId = create('airplane', { modelNumber: named('Airplane'), capacity });
  return Array.from({ length: count }, (_, i) => {
    const [departureTime, arrivalTime] = times(i);
    const flight = {
      flightNumber: `FN${i}_${Date.now() % 1e9}`, airplaneId, departureAirportID, arrivalAirportId, departureTime,
      arrivalTime, price: 5000 + i * 100, boardingGate: `G${i}`,
    };
    return { id: create('flights', flight), capacity };
  });
}

// A new account's e-mail.
export function signUp(tags = {}) {
  const email = `${named('user')}@example.com`;
  made(`${AUTH_URL}/api/v1/signup`, { email, password: PASSWORD }, tags);
  return email;
}

// { token, userId } of an account; null, and a failed check, if it was not let in.
export function signIn(email, tags = {}) {
  const body = JSON.stringify({ email, password: PASSWORD });
  const answer = http.post(`${AUTH_URL}/api/v1/signin`, body, { ...JSON_BODY, tags });
  if (!check(answer, { 'signed in': (a) => a.status === 200 })) {
    return null;
  }
  return { token: answer.json('data.token'), userId: answer.json('data.id') };
}

// Books, and keeps the books: what is accepted must be missing from the flights at the end.
export function book(flight, { token, userId }, seats, tags = {}) {
  const answer = http.post(
    `${GATEWAY_URL}/bookingservice/api/v1/bookings`,
    JSON.stringify({ flightId: flight.id, userId, NoOfSeats: seats }),
    { headers: { ...JSON_BODY.headers, 'x-access-token': token }, tags },
  );
  if (answer.status === 200 || answer.status === 201) {
    booked.add(1);
    seatsUnaccounted.add(seats);
  } else if (answer.status === 409) {
    refused.add(1);
  } else {
    unanswered.add(1);
    console.error(`a booking was answered ${answer.status} ${answer.body}`);
  }
  return answer;
}

// For teardown: takes off what the flights have lost, and says it.
export function balance(flights) {
  const left = () => flights.reduce((sum, { id }) => sum + seatsLeft(id), 0);
  const remaining = settled(left);
  const capacity = flights.reduce((sum, flight) => sum + flight.capacity, 0);
  seatsUnaccounted.add(remaining - capacity);
  console.log(`${capacity - remaining} of ${capacity} seats are sold; ${remaining} are left`);
}

function seatsLeft(id) {
  const left = got(`${FLIGHTS_URL}/api/v1/flights/${id}`).json('data.totalSeats');
  if (!(left >= 0)) {
    throw new Error(`flight ${id} has ${left} seats left`);
  }
  return left;
}
