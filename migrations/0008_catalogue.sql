-- The catalogue: what flights are made of. Plain tables, not event-sourced: a flight's events carry what they need of it.
-- Numbers: each id carries an integer, so that clients who know things by integers need no table that maps them.
CREATE SEQUENCE city_numbers AS bigint MINVALUE 1 MAXVALUE 2147483647;
CREATE SEQUENCE airport_numbers AS bigint MINVALUE 1 MAXVALUE 2147483647;
CREATE SEQUENCE airplane_numbers AS bigint MINVALUE 1 MAXVALUE 2147483647;

CREATE TABLE cities (
    city_id    uuid PRIMARY KEY,                       -- serves: one city
    name       text NOT NULL,                          -- as it was written
    name_key   text COLLATE "C" NOT NULL,              -- the same in small letters, blanks put in order: what is compared
    version    bigint NOT NULL DEFAULT 1,              -- + 1 with every edit: its ETag
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
-- Serves: the list of cities by name, and those whose name begins with some letters; and one city per name.
CREATE UNIQUE INDEX cities_name_key ON cities (name_key);

CREATE TABLE airports (
    airport_id uuid PRIMARY KEY,                       -- serves: one airport, and the list page by page
    code       text COLLATE "C" CHECK (code ~ '^[A-Z]{3}$'), -- IATA; null: made by a client that knows none
    name       text NOT NULL,
    city_id    uuid NOT NULL REFERENCES cities,        -- a city with airports stays
    zone       text NOT NULL,                          -- IANA time zone: the clocks its flights go by
    address    text,
    version    bigint NOT NULL DEFAULT 1,              -- + 1 with every edit: its ETag
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
-- Serves: an airport by its code; and one airport per code.
CREATE UNIQUE INDEX airports_code_key ON airports (code);
-- Serves: the airports of a city page by page, and the question whether a city has any.
CREATE INDEX airports_of_city ON airports (city_id, airport_id);

CREATE TABLE airplanes (
    airplane_id uuid PRIMARY KEY,                      -- serves: one airplane, and the list page by page
    model       text NOT NULL,                         -- not unique: a fleet has many of one model
    capacity    integer NOT NULL CHECK (capacity >= 0), -- seats of a flight, unless the flight says otherwise
    version     bigint NOT NULL DEFAULT 1,             -- + 1 with every edit: its ETag
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- One row per request with a key that made something, written by the statement that made it: asking twice makes one.
-- It outlives what it made, so that a late repetition does not make it anew.
CREATE TABLE catalogue_commands (
    command_id  uuid PRIMARY KEY,                      -- serves: "was this done?"
    fingerprint uuid NOT NULL,                         -- of the request: the same key with another body is refused
    made_id     uuid NOT NULL                          -- of the city, airport or airplane
);
