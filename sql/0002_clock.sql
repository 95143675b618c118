-- The boot of the machine in which the server ran last, and the time of that boot by the clock, in
-- milliseconds since 1970, UTC. If the same boot has another time now, the clock was set.
CREATE TABLE clock (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    boot  TEXT NOT NULL,
    began INTEGER NOT NULL
) STRICT;
