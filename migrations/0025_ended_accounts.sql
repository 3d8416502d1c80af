-- Accounts that were deleted together with their bookings to come. A server cancels these one by one; the row goes when
-- none can be left.
CREATE TABLE ended_accounts (
    user_id   uuid PRIMARY KEY,
    ended_at  timestamptz NOT NULL,
    -- Where every partition of the log ended when no token of the account was good any more: all of its bookings are
    -- up to there. Null: it has just been deleted.
    positions bigint[],
    -- When its bookings were last looked through: the one that waits longest comes first.
    looked_at timestamptz NOT NULL
);
