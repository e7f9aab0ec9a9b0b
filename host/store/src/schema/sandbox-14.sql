-- What deliveries came to that are not kept any more, by activation.
CREATE TABLE past_delivery (
  activation TEXT PRIMARY KEY,
  deliveries INTEGER NOT NULL,
  since      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE past_member (
  activation TEXT NOT NULL,
  status     INTEGER NOT NULL,
  code       TEXT NOT NULL,
  members    INTEGER NOT NULL,
  PRIMARY KEY (activation, status, code)
) WITHOUT ROWID;
