-- The yardstick: one event, one transaction, as an ordinary program would write it.
-- Each client is a stream in a partition of its own, so that no two of them wait for each other.
\set sequence :sequence + 1
INSERT INTO events (log_partition, position, aggregate_type, aggregate_id, sequence, event_type, event_version,
                    payload, metadata, event_id, command_id, recorded_at)
VALUES (:client_id, :sequence, 'inventory', '0193a2f0-7c00-7000-8000-' || lpad((:client_id)::text, 12, '0'), :sequence,
        'SeatsReserved', '1',
        '{"type":"SeatsReserved","booking_id":"0193a2f0-7c00-7000-8000-00000000b001","user_id":"0193a2f0-7c00-7000-8000-00000000a001","quantity":1,"total":{"amount":2000,"currency":"EUR"},"expires_at":"2031-11-01T10:15:00.250001Z"}',
        '{"actor":"0193a2f0-7c00-7000-8000-00000000a001","correlation_id":"0193a2f0-7c00-7000-8000-00000000d001"}',
        gen_random_uuid(), gen_random_uuid(), now());
