-- Who may ask. Not event-sourced, and the only place that holds personal data: events carry ids.
CREATE TABLE users (
    user_id       uuid PRIMARY KEY,                    -- serves: the check of a token
    email         text NOT NULL,
    password_hash text NOT NULL,                       -- argon2id, PHC string
    role          text NOT NULL CHECK (role IN ('customer', 'agent', 'admin')),
    created_at    timestamptz NOT NULL
);
-- Serves: sign-in; and one account per address, whatever its letters' case.
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
