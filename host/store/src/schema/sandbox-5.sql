-- Version 5: what an older version of a plugin had of a stream, until the newer one has committed pages of its own.

CREATE TABLE stream_before (
  stream        INTEGER NOT NULL,
  state_version INTEGER NOT NULL,
  cursor        BLOB NOT NULL,
  more          INTEGER NOT NULL,
  -- Pages that newer versions have committed since.
  pages         INTEGER NOT NULL,
  PRIMARY KEY (stream, state_version)
) WITHOUT ROWID;
