-- Which flight has a number on a day: one row per number and day, taken before the log is told. The log is the truth: a
-- row whose flight has another number or day there, is cancelled, or was never opened, is void, and may be taken by another
-- flight once it is a minute old.
CREATE TABLE flight_claims (
    number               text COLLATE "C" NOT NULL,   -- of the flight
    departure_day        date NOT NULL,               -- by the clocks of its departure airport
    inventory_id         uuid NOT NULL,               -- the flight
    command_id           uuid NOT NULL,               -- of the request that took it: sent again, it finds its own
    claimed_at           timestamptz NOT NULL,        -- by the last request that relied on it
    airplane_id          uuid NOT NULL REFERENCES airplanes, -- what flights depend on stays
    departure_airport_id uuid NOT NULL REFERENCES airports,
    arrival_airport_id   uuid NOT NULL REFERENCES airports,
    PRIMARY KEY (number, departure_day)                -- serves: is it free?
);
-- Serves: giving up what a cancelled flight has.
CREATE INDEX flight_claims_of_inventory ON flight_claims (inventory_id);
-- Serve: the question whether an airplane or an airport has flights.
CREATE INDEX flight_claims_of_airplane ON flight_claims (airplane_id);
CREATE INDEX flight_claims_from_airport ON flight_claims (departure_airport_id);
CREATE INDEX flight_claims_to_airport ON flight_claims (arrival_airport_id);
