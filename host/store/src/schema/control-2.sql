-- Version 2: a request with an idempotency key is kept before it is dealt with, with what makes the ids of what it
-- makes; and the events of one subject are found without reading all.

CREATE TABLE kept_request (
  key         TEXT NOT NULL UNIQUE,
  fingerprint TEXT NOT NULL,
  at          INTEGER NOT NULL,
  chance      BLOB NOT NULL,
  -- Both NULL until it was answered.
  status      INTEGER,
  body        BLOB
);
CREATE INDEX kept_request_at ON kept_request (at);
INSERT INTO kept_request SELECT key, fingerprint, at, zeroblob(6), status, body FROM kept_answer;
DROP TABLE kept_answer;

CREATE INDEX audit_subject ON audit (subject, action);
