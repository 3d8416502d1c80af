-- The log: the truth. Everything else in the database can be rebuilt from it, but for users.

-- One row per installation. `log_id` names this log to its readers (a restored copy gets another);
-- `partitions` is fixed at creation, because a stream's partition is computed from its id.
CREATE TABLE log_identity (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id     uuid NOT NULL DEFAULT gen_random_uuid(),
    partitions smallint NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row per log partition: where its chain of events ends, and who may extend it.
-- An append is a compare-and-swap on (epoch, position); that is the safety. The lease only keeps
-- two processes from taking the partition from each other all the time; Postgres's clock decides it.
-- fillfactor: every append updates its row, in place while the page has room (HOT).
CREATE TABLE log_heads (
    log_partition smallint PRIMARY KEY,
    epoch         bigint NOT NULL DEFAULT 0,           -- + 1 with every take-over
    position      bigint NOT NULL DEFAULT 0,           -- of the last event; 0 = none
    recorded_at   timestamptz NOT NULL DEFAULT '-infinity', -- of the last event: time never runs backwards
    owner         uuid,                                -- the process that extends the chain
    owner_address text,                                -- where that process listens
    lease_until   timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

-- The events. Positions are 1, 2, 3 … in each partition without gaps; sequences likewise in each stream.
-- The names from aggregate_type to metadata are the ones postgres-es reads.
-- json, not jsonb: it keeps the bytes, which Kafka's consumers and hashes rely on, and costs less.
CREATE TABLE events (
    log_partition  smallint NOT NULL,
    position       bigint NOT NULL,
    aggregate_type text COLLATE "C" NOT NULL,          -- "C": compared by bytes, not by a language's order
    aggregate_id   text COLLATE "C" NOT NULL,
    sequence       bigint NOT NULL,
    event_type     text NOT NULL,
    event_version  text NOT NULL,
    payload        json NOT NULL,
    metadata       json NOT NULL,
    event_id       uuid NOT NULL,
    command_id     uuid,                               -- of the command it answers; null: time passed
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (log_partition, position),             -- serves: reading a partition after a position
    UNIQUE (aggregate_id, sequence, aggregate_type)    -- serves: loading a stream, a booking's events;
                                                       -- what differs most is compared first
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- One row per accepted command, written by the statement that wrote its events: asking twice has one
-- effect, over all partitions. A booking's id is the id of the command that made it, so this key also
-- leads from a booking to its stream.
CREATE TABLE commands (
    command_id    uuid PRIMARY KEY,                    -- serves: "was this accepted?", "where is this booking?"
    fingerprint   uuid NOT NULL,                       -- of the request: the same key with another body is refused
    log_partition smallint NOT NULL,
    position      bigint NOT NULL                      -- of the command's last event: its answer
);
