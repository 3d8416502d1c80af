-- Events that a follower of the log leaves out for good, because somebody said so: ground state, so that a read model that
-- is built anew leaves out the same ones.
CREATE TABLE skipped_events (
    follower      text NOT NULL,                       -- who leaves it out: a read model's name, or notifier
    log_partition smallint NOT NULL,
    position      bigint NOT NULL,                     -- which event
    stream        text NOT NULL,                       -- of which stream it is
    reason        text NOT NULL,                       -- why, in the words of whoever decided it
    skipped_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (follower, log_partition, position)    -- serves what a projector loads when it begins
);
