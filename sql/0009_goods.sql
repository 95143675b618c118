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
