-- Which relay sends which log partition to the topic. One lease covers all partitions of a relay, and Postgres's clock
-- decides it. It only saves work: of two relays that send the same, consumers drop what they have had.
CREATE TABLE relays (
    relay_id    uuid PRIMARY KEY,
    lease_until timestamptz NOT NULL
);

CREATE TABLE relay_partitions (
    log_partition smallint PRIMARY KEY,
    relay_id      uuid NOT NULL REFERENCES relays ON DELETE CASCADE  -- who has it; gone with its lease
);
