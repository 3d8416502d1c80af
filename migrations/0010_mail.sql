-- Mails that are sent: claims, why one failed, those of a flight's bookings; and reminders.

ALTER TABLE mails ADD COLUMN booking_id uuid;            -- the booking it is about, where the event is its flight's; event_id is made of both then
ALTER TABLE mails ADD COLUMN claim_id uuid;              -- who is sending it; until next_attempt_at nobody else does
ALTER TABLE mails ADD COLUMN failure text;               -- why the last attempt failed, as a word; never an address
ALTER TABLE mails ADD COLUMN asked_again_at timestamptz; -- when somebody asked for it once more
-- Serves: letting go the mails of a flight when all its bookings have been looked through.
CREATE INDEX mails_withheld ON mails (log_partition, position) WHERE next_attempt_at = 'infinity';
-- Serves: the mails that failed, the latest first, page by page.
CREATE INDEX mails_failed ON mails (recorded_at, event_id) WHERE state = 'dead';

-- One row = a flight that moved, whose bookings are being looked through for whom to write to. It goes when that is done.
CREATE TABLE mail_fan_outs (
    event_id      uuid PRIMARY KEY,                      -- of the flight's event; serves: no flight's event twice
    log_partition smallint NOT NULL,                     -- where it stands
    position      bigint NOT NULL,
    recorded_at   timestamptz NOT NULL,                  -- when it happened
    done_sequence bigint NOT NULL DEFAULT 0              -- the last event of the flight that was looked at
);

-- One row = one reminder that was asked for. Ground state.
CREATE TABLE reminders (
    reminder_id     uuid PRIMARY KEY,                    -- serves: one reminder; the same request again
    number          bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- Airbourne's id of it
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE, -- whose; it goes with the account
    fingerprint     uuid NOT NULL,                       -- of the request that made it
    recipient       text,                                -- where it is sent to; null: to the account's address at that time
    subject         text NOT NULL,
    content         text NOT NULL,
    remind_at       timestamptz NOT NULL,                -- when it is due
    created_at      timestamptz NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    claim_id        uuid,                                -- who is sending it; until next_attempt_at nobody else does
    failure         text,                                -- why the last attempt failed, as a word; never an address
    asked_again_at  timestamptz,                         -- when somebody asked for it once more
    ended_at        timestamptz                          -- when it was sent, or given up
);
-- Serves: what is due.
CREATE INDEX reminders_due ON reminders (next_attempt_at) WHERE state = 'pending';
-- Serves: a user's reminders, the latest first, page by page; deleting an account.
CREATE INDEX reminders_of_user ON reminders (user_id, created_at, reminder_id);
-- Serves: how many wait for a user.
CREATE INDEX reminders_waiting ON reminders (user_id) WHERE state = 'pending';
-- Serves: sweeping what ended long ago.
CREATE INDEX reminders_ended ON reminders (ended_at) WHERE ended_at IS NOT NULL;
-- Serves: how many failed.
CREATE INDEX reminders_failed ON reminders (created_at) WHERE state = 'dead';
