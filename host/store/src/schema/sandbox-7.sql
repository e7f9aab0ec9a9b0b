-- What profiles are found by when the beginning of a name is typed. A row that a profile does not answer to any more is
-- passed over when it is read.

CREATE TABLE search (
  entity  INTEGER NOT NULL,
  term    TEXT NOT NULL,
  profile INTEGER NOT NULL,
  PRIMARY KEY (entity, term, profile)
) WITHOUT ROWID;
-- SQLite's `lower` knows ASCII alone: other capitals of profiles that are there already are found once they change.
INSERT OR IGNORE INTO search
  SELECT p.entity, substr(lower(trim(json_extract(a.body, '$.last_name') || ' ' || json_extract(a.body, '$.first_name'))), 1, 100), p.number
  FROM profile p JOIN attributes a ON a.profile = p.number
  WHERE p.entity = (SELECT number FROM entity WHERE name = 'person')
    AND json_extract(a.body, '$.last_name') IS NOT NULL AND json_extract(a.body, '$.first_name') IS NOT NULL;
INSERT OR IGNORE INTO search
  SELECT p.entity, substr(lower(trim(json_extract(a.body, '$.first_name') || ' ' || json_extract(a.body, '$.last_name'))), 1, 100), p.number
  FROM profile p JOIN attributes a ON a.profile = p.number
  WHERE p.entity = (SELECT number FROM entity WHERE name = 'person')
    AND json_extract(a.body, '$.last_name') IS NOT NULL AND json_extract(a.body, '$.first_name') IS NOT NULL;
INSERT OR IGNORE INTO search
  SELECT p.entity, substr(lower(trim(coalesce(json_extract(a.body, '$.last_name'), json_extract(a.body, '$.first_name'), ''))), 1, 100), p.number
  FROM profile p JOIN attributes a ON a.profile = p.number
  WHERE p.entity = (SELECT number FROM entity WHERE name = 'person')
    AND (json_extract(a.body, '$.last_name') IS NULL) <> (json_extract(a.body, '$.first_name') IS NULL);
