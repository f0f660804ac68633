-- What was seen in the partners' inboxes, by its name there. It is looked at until it has settled,
-- then fetched (taken); the digest is of what was fetched last.
CREATE TABLE arrival (
  partner TEXT NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  modified INTEGER NOT NULL,
  since TEXT NOT NULL,
  taken INTEGER NOT NULL,
  sha256 TEXT,
  PRIMARY KEY (partner, name)
);

-- The last exchange with each partner's server.
CREATE TABLE exchange (
  partner TEXT PRIMARY KEY,
  at TEXT NOT NULL,
  good_at TEXT,
  failures INTEGER NOT NULL,
  error TEXT
);

ALTER TABLE answer ADD COLUMN delivered_at TEXT;
