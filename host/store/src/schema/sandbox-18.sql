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

CREATE TRIGGER attributes_freeze BEFORE UPDATE ON attributes WHEN EXISTS (SELECT 1 FROM delivery WHERE whole = 1) BEGIN
  INSERT INTO frozen (delivery, profile, body, derived)
    SELECT d.number, old.profile, old.body, (SELECT v.body FROM derived v WHERE v.profile = old.profile)
    FROM delivery d WHERE d.whole = 1
      AND NOT EXISTS (SELECT 1 FROM frozen f WHERE f.delivery = d.number AND f.profile = old.profile);
END;
-- Of one that had none, none are what was.
CREATE TRIGGER derived_freeze_none BEFORE INSERT ON derived WHEN EXISTS (SELECT 1 FROM delivery WHERE whole = 1) BEGIN
  INSERT INTO frozen (delivery, profile, body, derived)
    SELECT d.number, a.profile, a.body, (SELECT v.body FROM derived v WHERE v.profile = a.profile)
    FROM delivery d JOIN attributes a ON a.profile = new.profile WHERE d.whole = 1
      AND NOT EXISTS (SELECT 1 FROM frozen f WHERE f.delivery = d.number AND f.profile = a.profile);
END;
CREATE TRIGGER derived_freeze BEFORE UPDATE ON derived WHEN EXISTS (SELECT 1 FROM delivery WHERE whole = 1) BEGIN
  INSERT INTO frozen (delivery, profile, body, derived)
    SELECT d.number, a.profile, a.body, old.body
    FROM delivery d JOIN attributes a ON a.profile = old.profile WHERE d.whole = 1
      AND NOT EXISTS (SELECT 1 FROM frozen f WHERE f.delivery = d.number AND f.profile = a.profile);
END;
CREATE TRIGGER derived_freeze_gone BEFORE DELETE ON derived WHEN EXISTS (SELECT 1 FROM delivery WHERE whole = 1) BEGIN
  INSERT INTO frozen (delivery, profile, body, derived)
    SELECT d.number, a.profile, a.body, old.body
    FROM delivery d JOIN attributes a ON a.profile = old.profile WHERE d.whole = 1
      AND NOT EXISTS (SELECT 1 FROM frozen f WHERE f.delivery = d.number AND f.profile = a.profile);
END;
