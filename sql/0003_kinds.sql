-- Kinds, actions and roles may become more: what they may be is the program's to say, which reads an
-- unknown one as an error. Personal data can be erased. An order remembers its status without its
-- parcels, and whether its goods came back. Every filter of a list has its index.

-- `kind` is the same thing in the log and in the audit trail: 0 order, 1 product, 2 customer,
-- 3 shipment, 4 transaction, and in the trail 5 user. `action` is 0 create, 1 update, 2 delete,
-- 3 erase.
ALTER TABLE events RENAME COLUMN channel TO kind;
ALTER TABLE audit RENAME COLUMN entity TO kind;

-- A CHECK without a name can only be taken out of the stored text. That changes no row, so it is as
-- quick in a log of a million events (https://www.sqlite.org/lang_altertable.html, section 7).
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

-- `status_before` is what people and payments made of the order: without its parcels, and before the
-- end. Null where that is its status. `stock_returned` is 1 once its goods came back to the stock.
ALTER TABLE orders ADD COLUMN status_before TEXT;
ALTER TABLE orders ADD COLUMN stock_returned INTEGER NOT NULL DEFAULT 0
    CHECK (stock_returned = 0 OR stock_returned = 1);
-- Older versions did not remember. An order that ended gave back what it was ever going to; one that is
-- shipped because of its parcels was in work if it is paid.
UPDATE orders SET stock_returned = 1 WHERE status = 'cancelled' OR status = 'refunded';
UPDATE orders SET status_before = CASE payment_status WHEN 'paid' THEN 'processing' ELSE 'pending' END
    WHERE status = 'shipped' AND EXISTS
        (SELECT 1 FROM shipments WHERE order_id = orders.id AND shipments.status <> 'pending');

-- Each index ends with the row's id, by which lists are sorted. There is none of the times: every change
-- would write a page more for it, and the log tells what changed lately.
CREATE INDEX orders_by_status ON orders (status);
CREATE INDEX products_by_status ON products (status);
CREATE INDEX shipments_by_status ON shipments (status);
CREATE INDEX shipments_by_tracking_number ON shipments (tracking_number)
    WHERE tracking_number IS NOT NULL;
CREATE INDEX transactions_by_status ON transactions (status);
-- To erase a customer, its events and the answers to its creation have to be found.
CREATE INDEX events_of_customer ON events (body ->> '$.data.id') WHERE kind = 2;
