-- The shop: users and their sessions, five entities, the event log, the audit trail, and stored
-- responses for repeated requests.
--
-- Times are milliseconds since 1970 in UTC; amounts are minor units of the row's currency. An
-- entity's `seq` is that of the event that made its present state: the row's version. A choice of
-- three or more words is a chain of OR: for IN, SQLite would build a table of the words at each
-- INSERT.

PRAGMA application_id = 1414284115; -- "TLCS"

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT NOT NULL COLLATE NOCASE UNIQUE,
    role          TEXT NOT NULL CHECK (role = 'admin' OR role = 'staff' OR role = 'kiosk'
                                       OR role = 'display'),
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

-- Only the hash of a token is stored, so a reader of the file cannot log in with it.
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE customers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    email      TEXT NOT NULL COLLATE NOCASE UNIQUE,
    first_name TEXT NOT NULL,
    last_name  TEXT NOT NULL,
    phone      TEXT,
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE products (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    sku        TEXT NOT NULL UNIQUE,
    status     TEXT NOT NULL CHECK (status = 'draft' OR status = 'published'
                                    OR status = 'archived'),
    price      INTEGER NOT NULL CHECK (price >= 0),
    stock      INTEGER NOT NULL CHECK (stock >= 0),
    currency   TEXT NOT NULL CHECK (length(currency) = 3),
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- `items` is the receipt: the lines as they were sold, a JSON array that never changes. `kiosk_id`
-- is the kiosk user that created the order, else null.
CREATE TABLE orders (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    order_number   TEXT GENERATED ALWAYS AS (printf('ORD-%010d', id)) VIRTUAL,
    status         TEXT NOT NULL CHECK (status = 'pending' OR status = 'processing'
                                        OR status = 'ready' OR status = 'shipped'
                                        OR status = 'completed' OR status = 'cancelled'
                                        OR status = 'refunded'),
    payment_status TEXT NOT NULL CHECK (payment_status = 'pending' OR payment_status = 'paid'
                                        OR payment_status = 'partially_refunded'
                                        OR payment_status = 'refunded'
                                        OR payment_status = 'failed'),
    total          INTEGER NOT NULL CHECK (total >= 0),
    customer_id    INTEGER REFERENCES customers (id),
    currency       TEXT NOT NULL CHECK (length(currency) = 3),
    items          TEXT NOT NULL CHECK (json_valid(items)),
    notes          TEXT,
    kiosk_id       INTEGER REFERENCES users (id) ON DELETE SET NULL,
    seq            INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_of_customer ON orders (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX orders_of_kiosk ON orders (kiosk_id) WHERE kiosk_id IS NOT NULL;

-- The products of each order, so that SQLite itself keeps a sold product from being deleted.
-- `order_id` is not a foreign key, which would take a second index; the code that deletes an order
-- reads its products from `items`.
CREATE TABLE order_products (
    product_id INTEGER NOT NULL REFERENCES products (id),
    order_id   INTEGER NOT NULL,
    PRIMARY KEY (product_id, order_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE shipments (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id        INTEGER NOT NULL REFERENCES orders (id),
    tracking_number TEXT,
    status          TEXT NOT NULL CHECK (status = 'pending' OR status = 'shipped'
                                         OR status = 'in_transit' OR status = 'delivered'
                                         OR status = 'returned'),
    carrier         TEXT,
    seq             INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX shipments_of_order ON shipments (order_id);

CREATE TABLE transactions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id   INTEGER NOT NULL REFERENCES orders (id),
    type       TEXT NOT NULL CHECK (type IN ('payment', 'refund')),
    status     TEXT NOT NULL CHECK (status = 'pending' OR status = 'completed'
                                    OR status = 'failed'),
    amount     INTEGER NOT NULL CHECK (amount > 0),
    gateway    TEXT NOT NULL,
    currency   TEXT NOT NULL CHECK (length(currency) = 3),
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX transactions_of_order ON transactions (order_id);

-- The event log is the queue. `body` is the envelope exactly as it was sent, `channel` is the
-- entity's number: 0 order, 1 product, 2 customer, 3 shipment, 4 transaction. The newest row is
-- never pruned, because the next `seq` follows from it.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    channel INTEGER NOT NULL CHECK (channel BETWEEN 0 AND 4),
    body    TEXT NOT NULL
) STRICT;

-- The first responses to requests with an Idempotency-Key, oldest first. `at` is the shop's uptime
-- in milliseconds, over all its runs, so a change of the clock cannot make a response expire early.
CREATE TABLE answers (
    id           INTEGER PRIMARY KEY,
    user_id      INTEGER NOT NULL,
    key          TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    location     TEXT NOT NULL,
    etag         TEXT NOT NULL,
    body         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    UNIQUE (user_id, key)
) STRICT;

-- The audit trail: one row for each request that changed something, in the request's transaction. A
-- null `user_id` is the console: a command on the machine itself, which has no address. `username`
-- is the name at that time, `address` the 4 or 16 bytes of the client's address. `action` is 0
-- create, 1 update, 2 delete; `entity` is the number as in `events`, or 5 for a user, and `row_id`
-- is the id. `fields` names the fields that an update changed. The change has `events` events, from
-- `seq` on; a user's has none. Rows are only appended, and like the log's the newest one is never
-- pruned.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    user_id  INTEGER,
    username TEXT,
    address  BLOB,
    action   INTEGER NOT NULL CHECK (action BETWEEN 0 AND 2),
    entity   INTEGER NOT NULL CHECK (entity BETWEEN 0 AND 5),
    row_id   INTEGER NOT NULL,
    fields   TEXT,
    seq      INTEGER,
    events   INTEGER NOT NULL
) STRICT;
