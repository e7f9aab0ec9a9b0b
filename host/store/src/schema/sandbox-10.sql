-- When memberships are to be looked at again although nothing has happened to the profile: a window of time runs out, or
-- another audience has changed. Segment 0: every segment that is evaluated in streaming.
CREATE TABLE membership_due (
  profile INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (profile, segment)
) WITHOUT ROWID;
CREATE INDEX membership_due_at ON membership_due (at, profile);
CREATE INDEX membership_history_segment ON membership_history (segment, number);
CREATE INDEX membership_history_profile ON membership_history (profile, number);
