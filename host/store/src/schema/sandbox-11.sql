-- Erasures: which requests removed something here, with counts as JSON; and the profiles that were somebody's, which
-- history counts still. An outcome that comes later for one of those says nothing.

CREATE TABLE erasure (
  request TEXT PRIMARY KEY,
  at      INTEGER NOT NULL,
  counts  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE erased (profile INTEGER PRIMARY KEY, request TEXT NOT NULL);
CREATE INDEX erased_request ON erased (request);
