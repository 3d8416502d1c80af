-- Roles with the least rights, one for each process. Not a migration: an operator runs it as the owner of the database, after each
-- `holdfast migrate`, and then starts each process with its role. It may be run again at any time.
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f scripts/roles.sql
--   ALTER ROLE holdfast_api PASSWORD '...';  and so on: they are made without one
--
-- holdfast_api        `holdfast api`: HTTP and the writer. Appends to the log and never changes an event.
-- holdfast_relay      `holdfast relay`: reads the log, and writes how far the topic is.
-- holdfast_projector  `holdfast project ...` and `rebuild`: reads the log, and owns the schemas of the read models.
-- holdfast_notifier   `holdfast notify`: reads the log, and owns its schema and what is owed.
-- The owner alone makes, changes and drops the tables of the log, the accounts and the catalogue.

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['holdfast_api', 'holdfast_relay', 'holdfast_projector', 'holdfast_notifier'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', name);
        END IF;
        -- What an earlier version of this file gave and this one does not.
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
    END LOOP;
    -- The read models and the notifier's place are schemas that their processes make.
    EXECUTE format('GRANT CREATE ON DATABASE %I TO holdfast_projector, holdfast_notifier', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Everyone reads the log, and how far it has come.
GRANT SELECT ON log_identity, log_heads, events, commands, relays, relay_partitions, topic_positions, skipped_events
    TO holdfast_api, holdfast_relay, holdfast_projector, holdfast_notifier;

-- The writer.
GRANT INSERT ON events, commands TO holdfast_api;
GRANT UPDATE ON log_heads TO holdfast_api;
-- Accounts, the catalogue, and what is asked of the notifier.
GRANT SELECT, INSERT, UPDATE, DELETE
    ON users, sessions, ended_tokens, ended_accounts, api_keys, guests, reminders, cities, airports, airplanes, catalogue_commands, flight_claims,
       webhook_endpoints, webhook_deliveries, webhook_replays
    TO holdfast_api;
GRANT SELECT, UPDATE, DELETE ON mails TO holdfast_api;
GRANT SELECT ON webhook_attempts, mail_channel, mail_fan_outs TO holdfast_api;
GRANT SELECT, INSERT ON mail_erasures TO holdfast_api;
-- Audits are appended to; of an action the outcome is written once.
GRANT SELECT, INSERT ON role_changes, admin_actions TO holdfast_api;
GRANT UPDATE (outcome, code, target_id) ON admin_actions TO holdfast_api;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO holdfast_api;

GRANT INSERT, UPDATE, DELETE ON relays, relay_partitions, topic_positions TO holdfast_relay;

GRANT INSERT ON skipped_events TO holdfast_projector, holdfast_notifier;

GRANT SELECT, INSERT, UPDATE, DELETE
    ON webhook_endpoints, webhook_deliveries, webhook_attempts, webhook_replays, mail_channel, mails, mail_fan_outs, reminders,
       mail_erasures
    TO holdfast_notifier;
-- Whom to write to, and nothing else of an account.
GRANT SELECT (user_id, email) ON users TO holdfast_notifier;
GRANT SELECT (guest_id, email) ON guests TO holdfast_notifier;

-- What projectors and notifier make, all processes read: lists, lag, readiness.
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_projector
    GRANT USAGE ON SCHEMAS TO holdfast_api, holdfast_relay, holdfast_notifier;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_projector
    GRANT SELECT ON TABLES TO holdfast_api, holdfast_relay, holdfast_notifier;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_notifier
    GRANT USAGE ON SCHEMAS TO holdfast_api, holdfast_relay, holdfast_projector;
ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_notifier
    GRANT SELECT ON TABLES TO holdfast_api, holdfast_relay, holdfast_projector;
