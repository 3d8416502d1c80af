-- Addresses whose mails are to leave the folder that notifiers put them into. No address is here.
CREATE TABLE mail_erasures (
    recipient_key text NOT NULL,                       -- what the names of its files carry: a hash of the address
    asked_at      timestamptz NOT NULL,                -- files that are younger by five minutes are another account's
    PRIMARY KEY (recipient_key, asked_at)
);
-- Serves: forgetting what every notifier has seen.
CREATE INDEX mail_erasures_old ON mail_erasures (asked_at);
