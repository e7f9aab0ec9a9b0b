-- A sandbox's schema, version 1. Outside, things are named by text; inside, by row numbers, which are never given twice.

-- One row: the last numbers given, and what is too dear to count.
CREATE TABLE counter (
  seq      INTEGER NOT NULL,
  record   INTEGER NOT NULL,
  profile  INTEGER NOT NULL,
  profiles INTEGER NOT NULL
);
INSERT INTO counter VALUES (0, 0, 0, 0);

CREATE TABLE document (
  kind    TEXT NOT NULL,
  id      TEXT NOT NULL,
  version INTEGER NOT NULL,
  body    TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- Streams of connections, and where each stands.
CREATE TABLE stream (
  number        INTEGER PRIMARY KEY,
  connection    TEXT NOT NULL,
  name          TEXT NOT NULL,
  state_version INTEGER NOT NULL,
  cursor        BLOB NOT NULL,
  more          INTEGER NOT NULL,
  UNIQUE (connection, name)
);

-- Source records as received. `link` is apart from `record`, so that projecting a record does not rewrite its body.
CREATE TABLE record (
  number     INTEGER PRIMARY KEY,
  source_key TEXT NOT NULL UNIQUE,
  stream     INTEGER NOT NULL,
  body       TEXT NOT NULL
);

CREATE TABLE reject (
  run     TEXT NOT NULL,
  number  INTEGER NOT NULL,
  key     TEXT,
  code    TEXT NOT NULL,
  field   TEXT,
  message TEXT NOT NULL,
  sample  TEXT NOT NULL,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- The feeds: two tables, one sequence.
CREATE TABLE record_change (seq INTEGER PRIMARY KEY, subject INTEGER NOT NULL);
CREATE TABLE profile_change (seq INTEGER PRIMARY KEY, subject INTEGER NOT NULL);
CREATE TABLE projector (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) WITHOUT ROWID;

-- A record's place in the identity graph. That its own source key names it is a flag: the key is indexed with the
-- record already. The other identities stand here as JSON pairs, and one by one in `identity` to be found by.
CREATE TABLE link (
  record     INTEGER PRIMARY KEY,
  profile    INTEGER,
  own_key    INTEGER NOT NULL,
  identities TEXT
);
CREATE INDEX link_profile ON link (profile);
CREATE TABLE namespace (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE identity (
  namespace INTEGER NOT NULL,
  value     TEXT NOT NULL,
  record    INTEGER NOT NULL,
  PRIMARY KEY (namespace, value, record)
) WITHOUT ROWID;

-- A profile that is gone keeps its row: its number still names it in history, and is its own if it comes back.
-- Attributes are apart, so that what joins to a profile's id does not read them.
CREATE TABLE profile (
  number     INTEGER PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,
  records    INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  gone       INTEGER NOT NULL
);
CREATE TABLE attributes (profile INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE redirect (id TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE segment (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, members INTEGER NOT NULL);
-- Who is a member now.
CREATE TABLE membership (
  segment INTEGER NOT NULL,
  profile INTEGER NOT NULL,
  since   INTEGER NOT NULL,
  PRIMARY KEY (segment, profile)
) WITHOUT ROWID;
CREATE INDEX membership_profile ON membership (profile, segment);
-- Who became one or ceased to be, when, and why.
CREATE TABLE membership_history (
  number  INTEGER PRIMARY KEY,
  segment INTEGER NOT NULL,
  profile INTEGER NOT NULL,
  status  INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  cause   TEXT NOT NULL
);

CREATE TABLE delivery (
  number     INTEGER PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,
  target     TEXT NOT NULL,
  open_batch TEXT
);
-- What a vendor calls a member of a target.
CREATE TABLE target_member (
  target    TEXT NOT NULL,
  profile   INTEGER NOT NULL,
  member_id TEXT NOT NULL,
  PRIMARY KEY (target, profile)
) WITHOUT ROWID;
CREATE TABLE item (
  delivery INTEGER NOT NULL,
  position INTEGER NOT NULL,
  profile  INTEGER NOT NULL,
  status   INTEGER NOT NULL,
  code     TEXT NOT NULL,
  field    TEXT,
  message  TEXT NOT NULL,
  PRIMARY KEY (delivery, position)
) WITHOUT ROWID;
