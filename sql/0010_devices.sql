-- A row of `users` is a principal: a user, who logs in with a name and a password, or a device, which has the token
-- of its one session instead. Both have their ids from one sequence, so that an id means one of them wherever it is
-- kept: as `user_id` at sessions, stored responses and entries of the audit trail, as `kiosk_id` at orders.
ALTER TABLE users ALTER COLUMN username DROP NOT NULL;
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE users ADD COLUMN device_name TEXT
    CHECK (CASE WHEN device_name IS NULL THEN username IS NOT NULL AND password_hash IS NOT NULL
                ELSE username IS NULL AND password_hash IS NULL AND role <> 'admin' END);
CREATE INDEX devices ON users (id) WHERE device_name IS NOT NULL;

-- The address from which a device used its session last: 4 or 16 bytes. Null for users, and until it was used.
ALTER TABLE sessions ADD COLUMN address BLOB CHECK (length(address) IN (4, 16));

-- The name that the device had then which made a change. Null for users and the console.
ALTER TABLE audit ADD COLUMN device_name TEXT;

-- An order that a kiosk made expires also when the kiosk is gone: `kiosk_id` is null then, `kiosk_uptime` stays.
CREATE INDEX orders_unpaid_by_uptime ON orders (kiosk_uptime)
    WHERE kiosk_uptime IS NOT NULL
      AND (payment_status = 'pending' OR payment_status = 'failed')
      AND status <> 'completed' AND status <> 'cancelled' AND status <> 'refunded';
