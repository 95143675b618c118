-- The clients from which a user has logged in before: browsers, by the SHA-256 of a token in a cookie (32
-- bytes), and networks, by their address (4 or 16 bytes). The ids grow with each login. `returned` is 1 for a
-- client that came back.
CREATE TABLE known_clients (
    id       INTEGER PRIMARY KEY,
    client   BLOB NOT NULL CHECK (length(client) IN (4, 16, 32)),
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    returned INTEGER NOT NULL CHECK (returned IN (0, 1)),
    UNIQUE (client, user_id)
) STRICT;
CREATE INDEX known_clients_of_user ON known_clients (user_id, returned);
