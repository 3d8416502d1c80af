// What the scripts share: asking the server what it has, and waiting until that stands still.
import http from 'k6/http';
import { sleep } from 'k6';

// The read models follow within milliseconds; a machine that is out of breath gets a minute.
export const SETTLE_SECONDS_MAX = 60;
const LOOKS_PER_SECOND = 10;
export const JSON_BODY = { headers: { 'Content-Type': 'application/json' } };

export function got(url, params) {
  const answer = http.get(url, params);
  if (answer.status !== 200) {
    throw new Error(`${url} answered ${answer.status} ${answer.body}`);
  }
  return answer;
}

// The counts of an inventory that is known by a number n. Its id carries it behind a fixed mark.
export function seatsOf(base, number) {
  const id = `00000000-0000-8001-8000-${number.toString(16).padStart(12, '0')}`;
  return got(`${base}/v1/inventories/${id}/availability`).json();
}

// The value once it has stood still for a second. Were it to stand still too early, the books would
// not balance: that can fail a good run, and pass no bad one.
export function settled(value) {
  let last = value();
  for (let seconds = 0; seconds < SETTLE_SECONDS_MAX; seconds += 1) {
    sleep(1);
    const now = value();
    if (now === last) {
      return now;
    }
    last = now;
  }
  throw new Error(`the counts were still changing after ${SETTLE_SECONDS_MAX} seconds`);
}

// Waits until a condition holds.
export function until(holds, what) {
  for (let tried = 0; !holds(); tried += 1) {
    if (tried >= SETTLE_SECONDS_MAX * LOOKS_PER_SECOND) {
      throw new Error(`${what}: not so after ${SETTLE_SECONDS_MAX} seconds`);
    }
    sleep(1 / LOOKS_PER_SECOND);
  }
}

// A whole number from 1 to max, each as likely as the others.
export function upTo(max) {
  return 1 + Math.floor(Math.random() * max);
}

export function oneOf(list) {
  return list[Math.floor(Math.random() * list.length)];
}
