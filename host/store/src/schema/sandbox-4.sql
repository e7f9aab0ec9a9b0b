-- Version 4. What persons said about being sent something, all of it, and who is never sent anything.

CREATE TABLE consent (
  number    INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  value     TEXT NOT NULL,
  channel   TEXT NOT NULL,
  purpose   TEXT NOT NULL,
  at        INTEGER NOT NULL,
  given     INTEGER NOT NULL,
  source    TEXT NOT NULL,
  UNIQUE (namespace, value, channel, purpose, at, given, source)
);

CREATE TABLE suppression (
  number    INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  value     TEXT NOT NULL,
  channel   TEXT NOT NULL,
  at        INTEGER NOT NULL,
  reason    TEXT NOT NULL,
  source    TEXT NOT NULL,
  UNIQUE (namespace, value, channel)
);
