-- Goods by weight, volume and length: a quantity is in thousandths of the product's unit now, in `stock` and in the
-- lines of orders. A null `stock` is that of goods that are not counted. `tax_rate` is in thousandths of a per cent.
-- `gtin` is the barcode in the form in which it is unique: of an EAN-13 that begins with 0, the UPC-A behind it.
ALTER TABLE products RENAME COLUMN stock TO pieces;
ALTER TABLE products ADD COLUMN stock INTEGER CHECK (stock >= 0);
UPDATE products SET stock = 1000 * pieces;
ALTER TABLE products DROP COLUMN pieces;
ALTER TABLE products ADD COLUMN unit TEXT NOT NULL DEFAULT 'piece'
    CHECK (unit = 'piece' OR unit = 'kg' OR unit = 'g' OR unit = 'l' OR unit = 'm');
ALTER TABLE products ADD COLUMN tax_rate INTEGER CHECK (tax_rate BETWEEN 0 AND 100000);
ALTER TABLE products ADD COLUMN barcode TEXT;
ALTER TABLE products ADD COLUMN category TEXT;
ALTER TABLE products ADD COLUMN location TEXT;
ALTER TABLE products ADD COLUMN gtin TEXT;
CREATE UNIQUE INDEX products_by_gtin ON products (gtin) WHERE gtin IS NOT NULL;
CREATE INDEX products_by_category ON products (category) WHERE category IS NOT NULL;

UPDATE orders
SET items = (SELECT json_group_array(json_set(value, '$.quantity', 1000 * (value ->> '$.quantity')) ORDER BY key)
             FROM json_each(orders.items))
WHERE items <> '[]';

-- `discount`, `tax_total` and `rounding` are minor units, `taxes` is a JSON array of the tax of each rate. As for each
-- list below, null stands for an empty one, which is the usual one and then takes neither space nor time.
ALTER TABLE orders ADD COLUMN discount INTEGER NOT NULL DEFAULT 0 CHECK (discount >= 0);
ALTER TABLE orders ADD COLUMN tax_total INTEGER NOT NULL DEFAULT 0 CHECK (tax_total >= 0);
ALTER TABLE orders ADD COLUMN rounding INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN taxes TEXT CHECK (json_valid(taxes));

-- `tax` is whether prices include the tax. It is null until the server is first started with this schema.
CREATE TABLE shop (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    tax TEXT CHECK (tax = 'included' OR tax = 'added')
) STRICT;
INSERT INTO shop (id) VALUES (1);

-- A change of stock by a quantity (action 11) has a reason, and perhaps a note.
ALTER TABLE audit ADD COLUMN reason TEXT;
ALTER TABLE audit ADD COLUMN note TEXT;

-- A sale is an order with the client's own name. What it sold is kept for ever, also when the order is gone, so that
-- a repeat is known: `lines` is a JSON array, and `change` is in minor units.
ALTER TABLE orders ADD COLUMN client_id TEXT;
ALTER TABLE orders ADD COLUMN sold_at INTEGER;
ALTER TABLE orders ADD COLUMN oversold TEXT CHECK (json_valid(oversold));
CREATE INDEX orders_oversold ON orders (id) WHERE oversold IS NOT NULL;
ALTER TABLE transactions ADD COLUMN tendered INTEGER CHECK (tendered > 0);
CREATE TABLE sales (
    client_id TEXT PRIMARY KEY,
    order_id  INTEGER NOT NULL,
    lines     TEXT NOT NULL CHECK (json_valid(lines)),
    change    INTEGER NOT NULL CHECK (change >= 0)
) STRICT, WITHOUT ROWID;

-- What comes back with a refund: a JSON array of the order's lines, and what came back of each line.
ALTER TABLE transactions ADD COLUMN restock TEXT CHECK (json_valid(restock));
ALTER TABLE orders ADD COLUMN restocked TEXT CHECK (json_valid(restocked));

-- The lines that are finished: a JSON array of their numbers, from 0.
ALTER TABLE orders ADD COLUMN done TEXT CHECK (json_valid(done));

-- The shop's uptime in milliseconds, over all its runs, when a kiosk made the order: an unpaid one expires, whatever
-- the clock shows.
ALTER TABLE orders ADD COLUMN kiosk_uptime INTEGER;
