-- Sign-ins that have not ended, so that an account's owner sees them and ends one. Those that were ended before their time
-- stand in `ended_tokens`, as before: servers of the build before this one know them by it.
CREATE TABLE sessions (
    user_id          uuid NOT NULL REFERENCES users ON DELETE CASCADE, -- whose it is
    session_id       uuid NOT NULL,                    -- the id inside the token; later ones are greater
    token_generation integer NOT NULL,                 -- the account's at the sign-in: with another one it has ended
    client           text,                             -- personal data: the beginning of User-Agent; null: it sent none
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,             -- then it ends anyway, and the row can go
    PRIMARY KEY (user_id, session_id)                  -- serves: the list of an account's sessions, and their bound
);
-- Serves: throwing away what has ended anyway.
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Tokens whose id is less have ended: an account has a bounded number of sessions, and the oldest give way. Null: none has.
ALTER TABLE users ADD COLUMN first_token_id uuid;
