-- Version 3. Every entity has records, identities and profiles, where there were persons alone.

-- Entities by name. Records of a stream without a mapping are of none: they have a space of their own, whose name, which
-- no entity can have, is `<connection>:<stream>`.
CREATE TABLE entity (
  number   INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE,
  profiles INTEGER NOT NULL
);
INSERT INTO entity (number, name, profiles) SELECT 1, 'person', profiles FROM counter;
ALTER TABLE counter DROP COLUMN profiles;

-- What a stream's records are of.
ALTER TABLE stream ADD COLUMN entity INTEGER NOT NULL DEFAULT 1;

-- A key names one record of each entity.
CREATE TABLE record_of_entity (
  number     INTEGER PRIMARY KEY,
  entity     INTEGER NOT NULL,
  source_key TEXT NOT NULL,
  stream     INTEGER NOT NULL,
  body       TEXT NOT NULL,
  UNIQUE (entity, source_key)
);
INSERT INTO record_of_entity SELECT number, 1, source_key, stream, body FROM record ORDER BY number;
DROP TABLE record;
ALTER TABLE record_of_entity RENAME TO record;

-- Identities of two entities never meet.
CREATE TABLE namespace_of_entity (
  number INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL,
  name   TEXT NOT NULL,
  UNIQUE (entity, name)
);
INSERT INTO namespace_of_entity SELECT number, 1, name FROM namespace ORDER BY number;
DROP TABLE namespace;
ALTER TABLE namespace_of_entity RENAME TO namespace;

ALTER TABLE profile ADD COLUMN entity INTEGER NOT NULL DEFAULT 1;
CREATE INDEX profile_entity ON profile (entity, number);

-- What profiles say of others: by the other's source key, and not by its profile, so that neither the order of arrival
-- nor a merge of the other ever rewrites a row. A relation is a field of an entity that names things of another.
CREATE TABLE relation (
  number INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL,
  field  TEXT NOT NULL,
  target INTEGER NOT NULL,
  UNIQUE (entity, field, target)
);
CREATE TABLE reference (
  profile  INTEGER NOT NULL,
  relation INTEGER NOT NULL,
  key      TEXT NOT NULL,
  PRIMARY KEY (profile, relation, key)
) WITHOUT ROWID;
CREATE INDEX reference_back ON reference (relation, key, profile);
