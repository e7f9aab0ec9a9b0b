-- What targets have and should have. A target is a vendor's object that keeps its members; a file has no rows here.

-- `id` is what the destination knows it by.
CREATE TABLE target (
  number   INTEGER PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  system   TEXT NOT NULL,
  instance TEXT NOT NULL,
  object   TEXT NOT NULL,
  name     TEXT NOT NULL,
  UNIQUE (system, instance, object, name)
);
-- An activation of a target. `upto`: profile changes it has looked at. `mapping`: how its rows were made then.
CREATE TABLE claimant (
  number     INTEGER PRIMARY KEY,
  activation TEXT NOT NULL UNIQUE,
  target     INTEGER NOT NULL,
  upto       INTEGER NOT NULL,
  mapping    TEXT NOT NULL
);
CREATE INDEX claimant_target ON claimant (target);
-- Who is wanted, by which activation, as of its last delivery.
CREATE TABLE want (
  claimant INTEGER NOT NULL,
  profile  INTEGER NOT NULL,
  PRIMARY KEY (claimant, profile)
) WITHOUT ROWID;
-- `held`: the row that was acknowledged last, NULL where the member is not in the target. `unsure` and `sent`: what was
-- sent and is not settled. `doubt`: nor is what was sent before, the same (1) or other (2). `due`: when to look at it again; NULL where it is as it should be.
CREATE TABLE ledger (
  target  INTEGER NOT NULL,
  profile INTEGER NOT NULL,
  held    TEXT,
  held_at INTEGER,
  unsure  INTEGER,
  sent    TEXT,
  doubt   INTEGER NOT NULL DEFAULT 0,
  due     INTEGER,
  PRIMARY KEY (target, profile)
) WITHOUT ROWID;
CREATE INDEX ledger_due ON ledger (target, due) WHERE due IS NOT NULL;
-- Why a member is not as it should be. `row`: what was refused.
CREATE TABLE refusal (
  target    INTEGER NOT NULL,
  profile   INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  status    INTEGER NOT NULL,
  code      TEXT NOT NULL,
  field     TEXT,
  message   TEXT NOT NULL,
  row       TEXT,
  at        INTEGER NOT NULL,
  retry_at  INTEGER,
  attempts  INTEGER NOT NULL,
  PRIMARY KEY (target, profile)
) WITHOUT ROWID;
CREATE INDEX refusal_code ON refusal (target, code);

ALTER TABLE delivery ADD COLUMN ledger INTEGER;
ALTER TABLE item ADD COLUMN wanted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE item ADD COLUMN operation INTEGER;
ALTER TABLE item ADD COLUMN resent INTEGER NOT NULL DEFAULT 0;
-- Members of a delivery for whom nothing had to be done, by why.
CREATE TABLE carried (
  delivery INTEGER NOT NULL,
  status   INTEGER NOT NULL,
  code     TEXT NOT NULL,
  members  INTEGER NOT NULL,
  PRIMARY KEY (delivery, status, code)
) WITHOUT ROWID;
