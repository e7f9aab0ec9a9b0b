-- Which account a person belongs to that names none, and families of accounts: what a projector of its own works out
-- from profiles.

-- Attributes that no record gives: part of the profile wherever it is read. `degraded`: beside what profiles are.
CREATE TABLE derived (profile INTEGER PRIMARY KEY, body TEXT NOT NULL, degraded INTEGER NOT NULL);
CREATE INDEX derived_degraded ON derived (profile) WHERE degraded;
-- References that derived attributes make: who writes the others leaves them alone.
ALTER TABLE relation ADD COLUMN derived INTEGER NOT NULL DEFAULT 0;

-- `side`: 0 a person that no source puts into an account, 1 an account, 2 a source's relation of the two. `keys`: those
-- under which it stands in `company_key`, as JSON.
CREATE TABLE company (profile INTEGER PRIMARY KEY, side INTEGER NOT NULL, keys TEXT NOT NULL, facts TEXT NOT NULL);
CREATE TABLE company_key (
  side    INTEGER NOT NULL,
  key     TEXT NOT NULL,
  profile INTEGER NOT NULL,
  PRIMARY KEY (side, key, profile)
) WITHOUT ROWID;
CREATE TABLE parent (account INTEGER PRIMARY KEY, parent INTEGER NOT NULL);
CREATE INDEX parent_children ON parent (parent, account);
-- What is still to be looked at, by kind; `asked`: when that was last asked for, so that what is asked for while it is
-- done is done again.
CREATE TABLE account_due (
  task    INTEGER NOT NULL,
  profile INTEGER NOT NULL,
  asked   INTEGER NOT NULL,
  PRIMARY KEY (task, profile)
) WITHOUT ROWID;
-- What all of it was worked out by: one row, once there is any.
CREATE TABLE account_basis (body TEXT NOT NULL);
