-- The newest change of its segment's membership that an activation has looked at.
ALTER TABLE claimant ADD COLUMN history INTEGER NOT NULL DEFAULT 0;
