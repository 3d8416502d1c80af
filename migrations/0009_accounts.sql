-- Accounts: the number that an older system's clients know them by, what ends their tokens, and who was given which role.

-- Airbourne's integer user ids.
CREATE SEQUENCE user_numbers;
ALTER TABLE users
    ADD COLUMN number           bigint  NOT NULL DEFAULT nextval('user_numbers'), -- accounts that are there are given one too
    ADD COLUMN token_generation integer NOT NULL DEFAULT 0;                       -- tokens of an earlier generation have ended
ALTER SEQUENCE user_numbers OWNED BY users.number;
-- Addresses are kept in small letters; `users_email_key` has told them apart by these all along.
UPDATE users SET email = lower(email) WHERE email <> lower(email);
-- Serves: an account by its number.
CREATE UNIQUE INDEX users_number_key ON users (number);
-- Serves: the list of accounts, the latest first.
CREATE INDEX users_latest ON users (created_at DESC, user_id DESC);
-- Serves: the list of those who may more than others; nearly all accounts are customers.
CREATE INDEX users_staff ON users (role, created_at DESC, user_id DESC) WHERE role <> 'customer';

-- Tokens that were signed out before their time was over.
CREATE TABLE ended_tokens (
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE, -- whose it is
    token_id   uuid NOT NULL,
    expires_at timestamptz NOT NULL,                   -- then it ends anyway, and the row can go
    PRIMARY KEY (user_id, token_id)                    -- serves: the check of a token
);
-- Serves: throwing away what has ended anyway.
CREATE INDEX ended_tokens_expired ON ended_tokens (expires_at);

-- Who gave whom which role. Ids only; they stay when an account is deleted.
CREATE TABLE role_changes (
    change_id  uuid PRIMARY KEY,
    user_id    uuid NOT NULL,                          -- whose role it is
    old_role   text,                                   -- null: the account was made with the new one
    new_role   text NOT NULL,
    changed_by uuid,                                   -- null: an operator, at the command line or at the first start
    changed_at timestamptz NOT NULL
);
-- Serves: the list of changes, the latest first.
CREATE INDEX role_changes_latest ON role_changes (changed_at DESC, change_id DESC);
-- Serves: the same of one account.
CREATE INDEX role_changes_of_user ON role_changes (user_id, changed_at DESC, change_id DESC);
