-- Deliveries that make a whole, as long as they go: what they say of a profile is as it was when they began.
ALTER TABLE delivery ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
CREATE INDEX delivery_whole ON delivery (number) WHERE whole = 1;
-- Profiles that have changed since: what they were then.
CREATE TABLE frozen (
  delivery INTEGER NOT NULL,
  profile  INTEGER NOT NULL,
  body     TEXT NOT NULL,
  derived  TEXT,
  PRIMARY KEY (delivery, profile)
) WITHOUT ROWID;
CREATE INDEX frozen_profile ON frozen (profile);

-- What each of these deliveries would have to keep of a profile that is about to change. Without such a delivery, nothing: the
-- order of the join makes that one look into an empty index.
CREATE VIEW unfrozen AS
  SELECT d.number AS delivery, a.profile, a.body, v.body AS derived
  FROM delivery d CROSS JOIN attributes a LEFT JOIN derived v ON v.profile = a.profile
  WHERE d.whole = 1 AND NOT EXISTS (SELECT 1 FROM frozen f WHERE f.delivery = d.number AND f.profile = a.profile);

CREATE TRIGGER attributes_update BEFORE UPDATE ON attributes BEGIN
  INSERT INTO frozen SELECT * FROM unfrozen WHERE profile = old.profile;
END;
CREATE TRIGGER derived_insert BEFORE INSERT ON derived BEGIN
  INSERT INTO frozen SELECT * FROM unfrozen WHERE profile = new.profile;
END;
CREATE TRIGGER derived_update BEFORE UPDATE ON derived BEGIN
  INSERT INTO frozen SELECT * FROM unfrozen WHERE profile = old.profile;
END;
CREATE TRIGGER derived_delete BEFORE DELETE ON derived BEGIN
  INSERT INTO frozen SELECT * FROM unfrozen WHERE profile = old.profile;
END;
