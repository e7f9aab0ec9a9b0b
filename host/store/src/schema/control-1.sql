-- The control database's schema, version 1.

CREATE TABLE document (
  kind    TEXT NOT NULL,
  id      TEXT NOT NULL,
  version INTEGER NOT NULL,
  body    TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- The newest row is never deleted, so numbers rise.
CREATE TABLE audit (
  number  INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL
);

CREATE TABLE kept_answer (
  key         TEXT NOT NULL UNIQUE,
  fingerprint TEXT NOT NULL,
  status      INTEGER NOT NULL,
  body        BLOB NOT NULL,
  at          INTEGER NOT NULL
);
CREATE INDEX kept_answer_at ON kept_answer (at);
