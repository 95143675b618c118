-- There may be more kinds, actions and roles later, so the program checks them, and reads an
-- unknown one as an error. Personal data can be erased. An order stores its status without its
-- parcels, and whether its goods came back into stock. Every filter of a list has its index.

-- `kind` means the same in the log and in the audit trail: 0 order, 1 product, 2 customer, 3
-- shipment, 4 transaction, and in the trail 5 user. `action` is 0 create, 1 update, 2 delete, 3
-- erase.
ALTER TABLE events RENAME COLUMN channel TO kind;
ALTER TABLE audit RENAME COLUMN entity TO kind;

-- A CHECK without a name can only be removed from the stored schema text. That changes no row, so
-- it is just as quick in a log of a million events (https://www.sqlite.org/lang_altertable.html,
-- section 7).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = 'CREATE TABLE events (
    seq  INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT' WHERE type = 'table' AND name = 'events';
UPDATE sqlite_schema SET sql = 'CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    user_id  INTEGER,
    username TEXT,
    address  BLOB,
    action   INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    row_id   INTEGER NOT NULL,
    fields   TEXT,
    seq      INTEGER,
    events   INTEGER NOT NULL
) STRICT' WHERE type = 'table' AND name = 'audit';
UPDATE sqlite_schema SET sql = 'CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT NOT NULL COLLATE NOCASE UNIQUE,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT' WHERE type = 'table' AND name = 'users';
PRAGMA writable_schema = RESET;

-- An erased customer's row stays, because its orders refer to it.
ALTER TABLE customers ALTER COLUMN email DROP NOT NULL;
ALTER TABLE customers ALTER COLUMN first_name DROP NOT NULL;
ALTER TABLE customers ALTER COLUMN last_name DROP NOT NULL;

-- `status_before` is the status from people and payments: without the parcels, a cancellation or a
-- refund. It is null if it equals the status. `stock_returned` is 1 once the order's goods came
-- back into stock.
ALTER TABLE orders ADD COLUMN status_before TEXT;
ALTER TABLE orders ADD COLUMN stock_returned INTEGER NOT NULL DEFAULT 0
    CHECK (stock_returned = 0 OR stock_returned = 1);
-- Older versions did not store these. An order that ended has returned all the goods that it ever
-- will; one that is shipped because of its parcels was in processing if it is paid.
UPDATE orders SET stock_returned = 1 WHERE status = 'cancelled' OR status = 'refunded';
UPDATE orders SET status_before = CASE payment_status WHEN 'paid' THEN 'processing' ELSE 'pending' END
    WHERE status = 'shipped' AND EXISTS
        (SELECT 1 FROM shipments WHERE order_id = orders.id AND shipments.status <> 'pending');

-- Each index ends with the row's id, by which lists are sorted. The times have no index: each
-- change would write one page more, and recent changes are in the log.
CREATE INDEX orders_by_status ON orders (status);
CREATE INDEX products_by_status ON products (status);
CREATE INDEX shipments_by_status ON shipments (status);
CREATE INDEX shipments_by_tracking_number ON shipments (tracking_number)
    WHERE tracking_number IS NOT NULL;
CREATE INDEX transactions_by_status ON transactions (status);
-- To erase a customer, its events have to be found.
CREATE INDEX events_of_customer ON events (body ->> '$.data.id') WHERE kind = 2;
