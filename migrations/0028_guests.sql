-- Customers without an account, for whom agents book. What is known of them is here and not in the log, which has their ids.
CREATE TABLE guests (
    guest_id    uuid PRIMARY KEY,                      -- `user_id` in bookings; serves: whether a mail is owed, and its address
    fingerprint uuid,                                  -- of the request that made it: the same one again makes no second guest
    email       text,                                  -- personal data
    name        text,                                  -- personal data
    created_at  timestamptz NOT NULL,
    -- Erased together. The row stays, so that the key of the request makes no guest again.
    CHECK ((email IS NULL) = (name IS NULL) AND (email IS NULL) = (fingerprint IS NULL))
);
