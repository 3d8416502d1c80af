-- What is known of a password besides its hash.
ALTER TABLE users
    ADD COLUMN staff_password boolean; -- whether it may be an agent's or admin's; null: it is older than this column
