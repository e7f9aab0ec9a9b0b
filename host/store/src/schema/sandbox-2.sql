-- Version 2. How far identities join a record (0: all, 1: firm namespaces only, 2: none), and which profiles a limit keeps
-- records out of: those are listed.

ALTER TABLE link ADD COLUMN level INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN degraded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX profile_degraded ON profile (number) WHERE degraded;
