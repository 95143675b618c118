-- Which run of the machine the server ran in last, and when that run began by the clock,
-- milliseconds since 1970, UTC. Where the same run has another beginning now, the clock was set.
CREATE TABLE clock (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    boot  TEXT NOT NULL,
    began INTEGER NOT NULL
) STRICT;
