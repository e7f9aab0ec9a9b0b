-- Events: what happened to persons, apart from the records that profiles are made of.

ALTER TABLE counter ADD COLUMN event INTEGER NOT NULL DEFAULT 0;

CREATE TABLE event_type (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- What events name persons by. A namespace is one of the entity's, so this says whose it is, too.
CREATE TABLE event_subject (
  number    INTEGER PRIMARY KEY,
  namespace INTEGER NOT NULL,
  value     TEXT NOT NULL,
  UNIQUE (namespace, value)
);

-- Narrow, and a subject's events together in order of time: a timeline, a count and a rule read this and no payload. An
-- event has a row for each of its subjects; `rank`: how many of them come before.
CREATE TABLE event (
  subject INTEGER NOT NULL,
  time    INTEGER NOT NULL,
  number  INTEGER NOT NULL,
  type    INTEGER NOT NULL,
  rank    INTEGER NOT NULL,
  PRIMARY KEY (subject, time, number)
) WITHOUT ROWID;

-- `subjects`: their numbers as JSON, the firmest first. An event that was taken back keeps its row, with no body: told
-- again from before that, it stays away.
CREATE TABLE event_payload (
  number     INTEGER PRIMARY KEY,
  source_key TEXT NOT NULL UNIQUE,
  stream     INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  time       INTEGER NOT NULL,
  type       INTEGER NOT NULL,
  subjects   TEXT NOT NULL,
  body       TEXT
);

CREATE TABLE event_change (seq INTEGER PRIMARY KEY, subject INTEGER NOT NULL);

-- Records that their source merged into another, which it names by source key: what named the one names the other.
CREATE TABLE merged (record INTEGER PRIMARY KEY, into_key TEXT NOT NULL);
CREATE INDEX merged_into ON merged (into_key);
INSERT INTO merged SELECT number, json_extract(body, '$.presence."merged-into"') FROM record
WHERE json_extract(body, '$.presence."merged-into"') IS NOT NULL;

-- Fields that a stream's mapping left empty, counted.
CREATE TABLE mapping_error (
  stream INTEGER NOT NULL,
  field  TEXT NOT NULL,
  code   TEXT NOT NULL,
  count  INTEGER NOT NULL,
  sample TEXT NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (stream, field, code)
) WITHOUT ROWID;

-- Stages that an opportunity's record was seen in, by time: with the record, so that a merge or a split moves none.
CREATE TABLE stage_history (record INTEGER PRIMARY KEY, body TEXT NOT NULL);
