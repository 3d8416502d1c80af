-- What admins did: a row before each write that only an admin may ask for, and its outcome in the same row after it. Ids only; the
-- rows stay when an account is deleted. Which role was given is in role_changes, what an event says in the log.
CREATE TABLE admin_actions (
    action_id uuid PRIMARY KEY,                          -- serves: its outcome
    actor_id  uuid NOT NULL,                             -- which admin
    action    text NOT NULL,                             -- the operation's id in the OpenAPI document, such as set_role
    target_id uuid,                                      -- what it was done to; null: to nothing that has an id
    begun_at  timestamptz NOT NULL,
    outcome   text CHECK (outcome IN ('done', 'refused', 'unknown')), -- set once; null: the server ended before it knew
    code      text                                       -- of the problem it was refused with
);
-- Serves: the list, the latest first.
CREATE INDEX admin_actions_latest ON admin_actions (begun_at DESC, action_id DESC);
-- Serves: the same of one admin.
CREATE INDEX admin_actions_of_actor ON admin_actions (actor_id, begun_at, action_id);
-- Serves: the same of one action.
CREATE INDEX admin_actions_of_action ON admin_actions (action, begun_at, action_id);
-- Serves: the same of one action of one admin, who may have done a million others.
CREATE INDEX admin_actions_of_both ON admin_actions (actor_id, action, begun_at, action_id);
