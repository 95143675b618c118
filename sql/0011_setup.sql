-- What the shop's people set once, in /setup: its name, which is null until then, and the currency of what names none.
-- `version` grows with every change.
ALTER TABLE shop ADD COLUMN name TEXT;
ALTER TABLE shop ADD COLUMN currency TEXT NOT NULL DEFAULT 'USD' CHECK (length(currency) = 3);
ALTER TABLE shop ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- An older shop has the currency of most of its goods, or else of most of its orders.
UPDATE shop SET currency = coalesce(
    (SELECT currency FROM products GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1),
    (SELECT currency FROM orders GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1), currency);

-- The links by which the first admin may be made: the SHA-256 of the code in each, and when it was made, in
-- milliseconds since 1970 in UTC.
CREATE TABLE setup_codes (
    code_hash  BLOB PRIMARY KEY CHECK (length(code_hash) = 32),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
