-- The event log has an id, created with the database and again by every restore. With it a client
-- can tell the log in which it knows a position from the present one.
--
-- `first_seq` is the first number that this log gives out. The events up to `restored_seq` came
-- with the backup; the numbers between the two were given out by the log before the restore.
CREATE TABLE log (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    log_id       TEXT NOT NULL CHECK (length(log_id) = 12),
    restored_seq INTEGER NOT NULL,
    first_seq    INTEGER NOT NULL CHECK (first_seq > restored_seq)
) STRICT;
INSERT INTO log (id, log_id, restored_seq, first_seq) VALUES (1, lower(hex(randomblob(6))), 0, 1);

-- The first responses to requests with an Idempotency-Key, oldest first, now without HTTP's terms:
-- `kind` (as in the audit trail), `row_id` and `version` are those of the created entity or user,
-- and `body` is its JSON. To erase a customer, the responses about it have to be found.
CREATE TABLE responses (
    id           INTEGER PRIMARY KEY,
    user_id      INTEGER NOT NULL,
    key          TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    kind         INTEGER NOT NULL,
    row_id       INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    body         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    UNIQUE (user_id, key)
) STRICT;
CREATE INDEX responses_of_customer ON responses (row_id) WHERE kind = 2;
INSERT INTO responses (id, user_id, key, request_hash, kind, row_id, version, body, at)
    SELECT id, user_id, key, request_hash,
           CASE rtrim(location, '0123456789')
               WHEN '/api/orders/' THEN 0
               WHEN '/api/products/' THEN 1
               WHEN '/api/customers/' THEN 2
               WHEN '/api/shipments/' THEN 3
               WHEN '/api/transactions/' THEN 4
               ELSE 5
           END,
           CAST(replace(location, rtrim(location, '0123456789'), '') AS INTEGER),
           CAST(trim(etag, '"') AS INTEGER), body, at
    FROM answers;
DROP TABLE answers;
