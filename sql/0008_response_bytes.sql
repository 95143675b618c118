-- The responses kept for one user take at most so many bytes. `bytes` is what a response takes when it is whole,
-- and `bytes_before` the sum of the user's earlier ones, also of those that are gone. So the user's oldest and
-- newest response tell how much is kept, and nothing is added up. Older rows count as nothing, for a day.
ALTER TABLE responses ADD COLUMN bytes_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE responses ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX responses_of_user ON responses (user_id);
