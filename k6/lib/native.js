// The native API as its clients use it: an admin who opens flights, customers who book their seats.
//
// BASE_URL says where it is. The admin is the first one, whose password is in ADMIN_PASSWORD: scripts/k6 takes it from
// .holdfast, where `scripts/run` puts it.
import http from 'k6/http';
import { JSON_BODY, got, until } from './books.js';

const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';
const ADMIN_EMAIL = __ENV.ADMIN_EMAIL || 'admin@holdfast.local';
const PASSWORD = 'correct horse battery';
// Codes are three letters, and earlier runs have taken some: so many are tried for an airport.
const CODES_MAX = 50;
// Flights that are opened in one go.
const AT_ONCE = 20;
// As far in the future as the first flight leaves, so that none leaves during a run.
const FIRST_DEPARTURE_MS = 48 * 3600 * 1000;
export const HOUR_MS = 3600 * 1000;
// A page's size at most.
const LIMIT_MAX = 200;

// Different in every run, and for every call of one: names and keys must not meet.
export function fresh(prefix) {
  return `${prefix}-${Date.now()}-${__VU}-${Math.floor(Math.random() * 1e9)}`;
}

export function headers(token, key) {
  return {
    ...JSON_BODY.headers,
    ...(token ? { Authorization: `Bearer ${token}` } : {}),
    ...(key ? { 'Idempotency-Key': key } : {}),
  };
}

// POST with a token and a key, where there are such. The answer, whatever it is.
export function post(path, body, { token, key, tags } = {}) {
  return http.post(`${BASE_URL}${path}`, JSON.stringify(body), { headers: headers(token, key), tags });
}

export function get(path, { token, tags } = {}) {
  return http.get(`${BASE_URL}${path}`, { headers: headers(token), tags });
}

// For setup: what was made, or no run.
function made(answer) {
  if (answer.status !== 201) {
    throw new Error(`${answer.request.url} answered ${answer.status} ${answer.body}`);
  }
  return answer.json();
}

export function signIn(email, password = PASSWORD, tags = {}) {
  return made(post('/v1/sessions', { email, password }, { tags })).token;
}

export function signInAdmin() {
  if (!__ENV.ADMIN_PASSWORD) {
    throw new Error('ADMIN_PASSWORD is missing: the password of an admin, who opens the flights');
  }
  return signIn(ADMIN_EMAIL, __ENV.ADMIN_PASSWORD);
}

// A new customer: { id, email }.
export function signUp(tags = {}) {
  const email = `${fresh('customer')}@example.com`;
  return { id: made(post('/v1/users', { email, password: PASSWORD }, { tags })).id, email };
}

// A new airport in a new city: { id, code, city }.
export function airport(admin, zone) {
  const city = fresh('City');
  const cityId = made(post('/v1/cities', { name: city }, { token: admin, key: fresh('city') })).id;
  for (let tried = 0; tried < CODES_MAX; tried += 1) {
    const code = Array.from({ length: 3 }, () => String.fromCharCode(65 + Math.floor(Math.random() * 26))).join('');
    const ask = { code, name: city, city_id: cityId, zone };
    const answer = post('/v1/airports', ask, { token: admin, key: fresh('airport') });
    if (answer.status !== 409) {
      return { id: made(answer).id, code, city };
    }
  }
  throw new Error(`${CODES_MAX} airport codes were all taken`);
}

// The last digits of a number, all of them: with fewer, runs and flights could have the same number together.
function padded(number, digits) {
  return String(number).slice(-digits).padStart(digits, '0');
}

// Opens flights, { from, to, departsIn, flies, price, capacity, policy } each (airports, milliseconds, cents), and waits until
// the search finds them. Returns { id, from, to, day, departsAt, duration, price, capacity } each, from and to being codes.
export function openFlights(admin, flights) {
  const airplane = { model: 'A20', capacity: 20 };
  const airplaneId = made(post('/v1/airplanes', airplane, { token: admin, key: fresh('airplane') })).id;
  const base = Math.ceil((Date.now() + FIRST_DEPARTURE_MS) / HOUR_MS) * HOUR_MS;
  const run = padded(Date.now(), 4);
  const opened = [];
  for (let first = 0; first < flights.length; first += AT_ONCE) {
    const asked = flights.slice(first, first + AT_ONCE).map(({ from, to, departsIn, flies, price, capacity, policy }, i) => ({
      number: `K${run}${padded(first + i, 5)}`, airplane_id: airplaneId, departure_airport_id: from.id, arrival_airport_id: to.id,
      departs_at: new Date(base + departsIn).toISOString(), arrives_at: new Date(base + departsIn + flies).toISOString(),
      price: { amount: price, currency: 'EUR' }, capacity, policy,
    }));
    const answers = http.batch(
      asked.map((ask) => ['POST', `${BASE_URL}/v1/flights`, JSON.stringify(ask), { headers: headers(admin, fresh('flight')) }]),
    );
    opened.push(...answers.map(made));
  }
  const codes = new Map(flights.flatMap(({ from, to }) => [[from.id, from.code], [to.id, to.code]]));
  const departures = [...new Set(flights.map(({ from }) => from.code))];
  until(() => found(departures) === flights.length, 'the search finds every flight');
  return opened.map((flight) => ({
    id: flight.id, from: codes.get(flight.departure_airport_id), to: codes.get(flight.arrival_airport_id),
    day: flight.departure_day, departsAt: Date.parse(flight.departs_at), price: flight.price.amount,
    duration: Date.parse(flight.arrives_at) - Date.parse(flight.departs_at), capacity: flight.availability.capacity,
  }));
}

function found(departures) {
  return departures.reduce((sum, code) => sum + allPages({ from: code, limit: LIMIT_MAX }).length, 0);
}

// The path of a search; what is undefined is left out.
export function searchPath(filters) {
  const given = Object.entries(filters).filter(([, value]) => value !== undefined && value !== null);
  return `/v1/flights?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
}

// Every flight of a search, page by page; each answer is handed to `look`, which may say no more by false.
export function allPages(filters, look = expected200, tags = {}) {
  const flights = [];
  let cursor;
  do {
    const answer = get(searchPath({ ...filters, cursor }), { tags });
    if (look(answer) === false) {
      return null;
    }
    const { data, meta } = answer.json();
    flights.push(...data);
    cursor = meta.next_cursor;
  } while (cursor);
  return flights;
}

function expected200(answer) {
  if (answer.status !== 200) {
    throw new Error(`${answer.request.url} answered ${answer.status} ${answer.body}`);
  }
}

// Every booking of a user, as an admin sees it.
export function bookingsOf(admin, userId) {
  const bookings = [];
  let cursor = '';
  do {
    const path = `/v1/bookings?user_id=${userId}&limit=${LIMIT_MAX}${cursor && `&cursor=${cursor}`}`;
    const page = got(`${BASE_URL}${path}`, { headers: headers(admin) }).json();
    bookings.push(...page.data);
    cursor = page.meta.next_cursor;
  } while (cursor);
  return bookings;
}

// The seats of a flight, as the server counts them now.
export function seatsOfFlight(id) {
  return got(`${BASE_URL}/v1/flights/${id}`).json('availability');
}
