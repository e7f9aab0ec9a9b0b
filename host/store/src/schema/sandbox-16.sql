-- Records that a reading of all of a stream has found, while it goes on: what is not here at its end is gone at the vendor.
CREATE TABLE seen (
  stream INTEGER NOT NULL,
  record INTEGER NOT NULL,
  PRIMARY KEY (stream, record)
) WITHOUT ROWID;
