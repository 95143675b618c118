-- The response to a large order is kept without the order's lines, which are in its row. `lines_at` is where
-- they belong in `body`, in bytes; null if `body` is whole. Whatever changes the lines of an order, or deletes
-- it, has to find such responses first.
ALTER TABLE responses ADD COLUMN lines_at INTEGER;
CREATE INDEX responses_without_lines ON responses (row_id) WHERE lines_at IS NOT NULL;
