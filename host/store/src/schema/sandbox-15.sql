-- What targets were read back to hold, beside what they acknowledged.

-- Who was taken out of a target after it had been acknowledged there: if it is there again, somebody else put it back.
CREATE TABLE taken_out (
  target  INTEGER NOT NULL,
  profile INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (target, profile)
) WITHOUT ROWID;
-- Pages of a reading, until it has ended. `keys`: of each member how many, and then each in eight bytes, most significant
-- first; nobody's values. `shown`: how a few of them would be shown, as JSON.
CREATE TABLE read_page (
  readback TEXT NOT NULL,
  page     INTEGER NOT NULL,
  keys     BLOB NOT NULL,
  shown    TEXT NOT NULL,
  PRIMARY KEY (readback, page)
);
-- Members that were not as the ledger had them. `kind`: 0 acknowledged and not there, 1 taken out and there.
CREATE TABLE drift (
  readback TEXT NOT NULL,
  kind     INTEGER NOT NULL,
  profile  INTEGER NOT NULL,
  repaired INTEGER NOT NULL,
  PRIMARY KEY (readback, kind, profile)
) WITHOUT ROWID;
