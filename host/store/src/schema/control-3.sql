-- Version 3: keyed hashes of what named somebody who was erased, by sandbox.

CREATE TABLE tombstone (
  sandbox TEXT NOT NULL,
  hash    BLOB NOT NULL,
  request TEXT NOT NULL,
  PRIMARY KEY (sandbox, hash)
) WITHOUT ROWID;
