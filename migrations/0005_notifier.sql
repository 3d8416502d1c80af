-- What the notifier owes to whom. Ground state: it cannot be recomputed, because the notifier does not replay history.
-- How far it has read the log is in the schema `notifier` (checkpoints), which is ground state for the same reason.

-- Who is told by webhook. No secret is here: it is computed from the webhook key, the id and the generation.
CREATE TABLE webhook_endpoints (
    endpoint_id       uuid PRIMARY KEY,                 -- serves: one endpoint
    url               text NOT NULL,                    -- where it is sent to
    event_types       text[] NOT NULL,                  -- what is sent, such as booking.confirmed.v1
    state             text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'full', 'paused', 'disabled', 'deleted')),
    stopped_reason    text,                             -- queue_full (full), failing (paused) or gone (disabled)
    stopped_at        timestamptz,                      -- since when it is not active; a deleted one goes when it is swept
    stopped_after     bigint[],                         -- of each log partition, the last event before the first gap that no replay has begun before
    after_positions   bigint[] NOT NULL,                -- of each log partition, the last event before the endpoint
    secret_generation integer NOT NULL DEFAULT 1,       -- + 1 with every rotation
    secret_rotated_at timestamptz,                      -- the latest of them
    secret_rotations  timestamptz[] NOT NULL DEFAULT '{}', -- those of the last day, the latest first: what they replaced signs too
    key_id            uuid NOT NULL,                    -- of the webhook key; says nothing of the key
    failing_since     timestamptz,                      -- the first failure after the last success
    created_at        timestamptz NOT NULL
);

-- One row = one event owed to one endpoint. Whoever sends it claims it for a while; a claim ends by itself.
CREATE TABLE webhook_deliveries (
    delivery_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- serves: one delivery
    endpoint_id     uuid NOT NULL,                      -- a deleted endpoint's are swept page by page
    event_id        uuid NOT NULL,                      -- the webhook's id: the event's own, or a ping's
    event_type      text NOT NULL,
    log_partition   smallint,                           -- where the event stands; null: a ping
    position        bigint,
    recorded_at     timestamptz NOT NULL,               -- when it happened
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts        integer NOT NULL DEFAULT 0,         -- since it was last asked for
    next_attempt_at timestamptz NOT NULL,
    claim_id        uuid,                               -- who is sending it
    claimed_until   timestamptz,                        -- until when nobody else does
    ended_at        timestamptz,                        -- when it was delivered, or given up
    UNIQUE (endpoint_id, event_id)                      -- serves: no event is owed twice, however often it is queued
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
-- Serves: what is due, endpoint by endpoint; how old the oldest is.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE state = 'pending';
-- Serves: how many of an endpoint's are under way.
CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (endpoint_id) WHERE claimed_until IS NOT NULL;
-- Serves: an endpoint's deliveries, the latest first, page by page.
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (endpoint_id, recorded_at, delivery_id);
-- Serves: the same of those that are pending, or dead, which are few among many, and of which the ones can be many more.
CREATE INDEX webhook_deliveries_undelivered ON webhook_deliveries (endpoint_id, state, recorded_at, delivery_id)
    WHERE state <> 'delivered';
-- Serves: sweeping what ended long ago.
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- What came of each attempt; kept for 30 days.
CREATE TABLE webhook_attempts (
    delivery_id  uuid NOT NULL,
    attempted_at timestamptz NOT NULL,
    claim_id     uuid NOT NULL,                         -- who made it
    status       smallint,                              -- the answer's; null: there was none
    error        text,                                  -- a word for why there was none, such as timeout
    milliseconds integer NOT NULL,
    PRIMARY KEY (delivery_id, attempted_at, claim_id)   -- serves: a delivery's attempts
);
-- Serves: sweeping what is too old.
CREATE INDEX webhook_attempts_at ON webhook_attempts (attempted_at);

-- Replays that were asked for and are being queued, page by page, one row for each log partition.
CREATE TABLE webhook_replays (
    endpoint_id    uuid NOT NULL,
    log_partition  smallint NOT NULL,
    event_types    text[] NOT NULL,
    position       bigint NOT NULL,                     -- the last event looked at
    until_position bigint NOT NULL,                     -- the last event to look at
    PRIMARY KEY (endpoint_id, log_partition)            -- serves: is one running? An endpoint has one at a time
);

-- Who is told by e-mail: everybody, about their own bookings, while a notifier that can write mails is about.
CREATE TABLE mail_channel (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    after_positions bigint[] NOT NULL,                  -- of each log partition, the last event before there were mails
    open_until      timestamptz NOT NULL                -- renewed by notifiers that write mails
);

-- One row = one mail owed. The address is looked up when it is written, and is never here.
CREATE TABLE mails (
    event_id        uuid PRIMARY KEY,                   -- names the mail: the event it tells of; serves: no mail twice
    log_partition   smallint NOT NULL,                  -- where the event stands
    position        bigint NOT NULL,
    recorded_at     timestamptz NOT NULL,               -- when it happened
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    ended_at        timestamptz                         -- when it was delivered, or given up
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
-- Serves: what is due; how old the oldest is.
CREATE INDEX mails_due ON mails (next_attempt_at) WHERE state = 'pending';
-- Serves: sweeping what ended long ago.
CREATE INDEX mails_ended ON mails (ended_at) WHERE ended_at IS NOT NULL;
