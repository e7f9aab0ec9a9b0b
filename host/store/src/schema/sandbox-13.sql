-- Who was in a file of which target, of deliveries whose rows are not kept any more: an erasure still has to say so.
CREATE TABLE filed (
  profile INTEGER NOT NULL,
  target  TEXT NOT NULL,
  PRIMARY KEY (profile, target)
) WITHOUT ROWID;
