-- A kiosk may have so many orders that are neither paid nor ended. The orders of everybody else, and those
-- that are done with, are not in this index.
CREATE INDEX orders_unpaid_of_kiosk ON orders (kiosk_id)
    WHERE kiosk_id IS NOT NULL
      AND (payment_status = 'pending' OR payment_status = 'failed')
      AND status <> 'completed' AND status <> 'cancelled' AND status <> 'refunded';
