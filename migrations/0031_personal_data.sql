-- Erasing a person, and showing it what is kept of it.

-- Serves: the export of an account's mails, the latest first; deleting them with the account.
CREATE INDEX mails_of_user ON mails (user_id, recorded_at, event_id) WHERE user_id IS NOT NULL;
-- Serves: deleting reminders that others have made to an address, with its account.
CREATE INDEX reminders_to ON reminders (lower(recipient)) WHERE recipient IS NOT NULL;
