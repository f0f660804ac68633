CREATE TABLE tracker_issue (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- also the number in the key; never given twice
    key     TEXT NOT NULL UNIQUE,
    marker  TEXT UNIQUE,                       -- installation/partner:number
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    fields  TEXT NOT NULL                      -- JSON: text or list of texts by name
);

CREATE TABLE tracker_comment (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    issue       INTEGER NOT NULL REFERENCES tracker_issue ON DELETE CASCADE,
    token       TEXT,                          -- finds it again after a crash
    author_id   TEXT NOT NULL,
    author_name TEXT NOT NULL,
    created     TEXT NOT NULL,
    updated     TEXT,
    text        TEXT NOT NULL,
    UNIQUE (issue, token)
);

CREATE TABLE tracker_attachment (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    issue  INTEGER NOT NULL REFERENCES tracker_issue ON DELETE CASCADE,
    name   TEXT NOT NULL,
    size   INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    UNIQUE (issue, name)
);
CREATE INDEX tracker_attachment_sha256 ON tracker_attachment (sha256);

-- Digests of files that may have lost their last attachment; removed once that is committed.
CREATE TABLE tracker_garbage (sha256 TEXT PRIMARY KEY);

CREATE TABLE tracker_history (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT, -- what changed_since counts by
    key     TEXT NOT NULL,                     -- not a reference: it outlives the issue
    at      TEXT NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,                     -- created, changed, deleted
    changes TEXT NOT NULL                      -- JSON: [{field, item, from, to}]
);
CREATE INDEX tracker_history_key ON tracker_history (key);
