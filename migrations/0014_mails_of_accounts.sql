-- Mails are owed to accounts only.

ALTER TABLE mails ADD COLUMN user_id uuid;              -- whose booking it is about; null: queued by an earlier build
