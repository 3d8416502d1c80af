-- How far the topic is, as the relays last told: for people and metrics to look at, and for nothing else. A relay finds
-- where to go on by reading the topic's own end, never here; and whoever must be sure reads the topic.
CREATE TABLE topic_positions (
    log_partition smallint PRIMARY KEY,
    position      bigint NOT NULL,                     -- of the last event that the broker acknowledged; 0 = none
    told_at       timestamptz NOT NULL                 -- when that was told; only a change is told
) WITH (fillfactor = 20);
