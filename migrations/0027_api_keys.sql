-- API keys: what programs act by for the account that made them. A key is never kept, only the hash of its secret.
CREATE TABLE api_keys (
    key_id              uuid PRIMARY KEY,              -- part of the key; serves: the check of a key
    user_id             uuid NOT NULL REFERENCES users ON DELETE CASCADE, -- whom it acts for
    name                text NOT NULL,                 -- its owner's word for it
    scopes              text[] NOT NULL,               -- what it may do; words that a build does not know allow it nothing
    secret_hash         bytea NOT NULL,                -- SHA-256: the secret is 256 random bits, which nobody guesses
    requests_per_minute integer,                       -- a limit of its own, below the account's; null: none
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz,                   -- null: it is good until it is deleted
    last_used_at        timestamptz                    -- to the minute; null: never
);
-- Serves: the list of an account's keys, the latest first, and their bound.
CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at DESC, key_id DESC);
