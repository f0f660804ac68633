CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

-- A partner's issue and ours. base, owed and pending are JSON documents (state/base.rs).
CREATE TABLE link (
  id INTEGER PRIMARY KEY,
  partner TEXT NOT NULL,
  remote TEXT NOT NULL,
  key TEXT,
  state TEXT NOT NULL,
  base TEXT NOT NULL,
  owed TEXT,
  pending TEXT,
  UNIQUE (partner, remote)
);
CREATE INDEX link_key ON link (key);
CREATE INDEX link_owed ON link (partner) WHERE owed IS NOT NULL;
CREATE INDEX link_pending ON link (partner) WHERE pending IS NOT NULL;

-- Written down before a tracker write that cannot be undone; gone when its outcome is known.
CREATE TABLE intent (
  token TEXT PRIMARY KEY,
  partner TEXT NOT NULL,
  remote TEXT NOT NULL,
  operation TEXT NOT NULL,
  payload TEXT NOT NULL,
  at TEXT NOT NULL
);

-- The ledger of identities: a package is applied once, whatever its date.
CREATE TABLE seen (
  name TEXT PRIMARY KEY,
  partner TEXT NOT NULL,
  total INTEGER NOT NULL,
  content TEXT NOT NULL,
  at TEXT NOT NULL
);

-- Every package met, for the log; newest last.
CREATE TABLE package (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  partner TEXT,
  outcome TEXT NOT NULL,
  reason TEXT,
  text TEXT,
  at TEXT NOT NULL
);
CREATE INDEX package_name ON package (name);

-- Parts left in the spool's incoming directory (keep_incoming): known by name and content.
CREATE TABLE part (
  name TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  modified TEXT NOT NULL,
  sha256 TEXT NOT NULL
);

-- Frozen answers; their bytes lie beside the database.
CREATE TABLE answer (
  name TEXT PRIMARY KEY,
  partner TEXT NOT NULL,
  state TEXT NOT NULL,
  target TEXT,
  parts TEXT NOT NULL,
  issues TEXT NOT NULL,
  frozen_at TEXT NOT NULL,
  published_at TEXT
);
CREATE INDEX answer_state ON answer (state);

CREATE TABLE conflict (
  id INTEGER PRIMARY KEY,
  partner TEXT NOT NULL,
  remote TEXT NOT NULL,
  state TEXT NOT NULL,
  at TEXT NOT NULL,
  record TEXT NOT NULL
);
CREATE INDEX conflict_open ON conflict (partner, remote) WHERE state = 'open';

-- Every change on either side; newest last.
CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  partner TEXT NOT NULL,
  package TEXT,
  remote TEXT NOT NULL,
  key TEXT,
  kind TEXT NOT NULL,
  changes TEXT NOT NULL
);
CREATE INDEX journal_remote ON journal (partner, remote);
CREATE INDEX journal_key ON journal (key);
