-- +goose Up
-- Times are nanoseconds since 1970 in UTC. product is the scope of a row.
CREATE TABLE alerts (
  product       TEXT    NOT NULL,
  fingerprint   TEXT    NOT NULL,
  labels        TEXT    NOT NULL, -- JSON object
  annotations   TEXT    NOT NULL, -- JSON object
  generator_url TEXT    NOT NULL,
  starts_ns     INTEGER NOT NULL,
  ends_ns       INTEGER NOT NULL,
  updated_ns    INTEGER NOT NULL,
  timeout       INTEGER NOT NULL,
  PRIMARY KEY (product, fingerprint)
) WITHOUT ROWID;

CREATE TABLE silences (
  product    TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  body       BLOB    NOT NULL, -- silencepb.MeshSilence, length-delimited
  expires_ns INTEGER NOT NULL,
  PRIMARY KEY (product, key)
) WITHOUT ROWID;

CREATE TABLE notification_log (
  product    TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  body       BLOB    NOT NULL, -- nflogpb.MeshEntry, length-delimited
  expires_ns INTEGER NOT NULL,
  PRIMARY KEY (product, key)
) WITHOUT ROWID;

CREATE TABLE outbox (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  product       TEXT    NOT NULL,
  key           TEXT    NOT NULL,
  receiver      TEXT    NOT NULL,
  integration   TEXT    NOT NULL,
  idx           INTEGER NOT NULL,
  group_key     TEXT    NOT NULL,
  payload       BLOB    NOT NULL,
  created_ns    INTEGER NOT NULL,
  state         TEXT    NOT NULL,
  attempts      INTEGER NOT NULL,
  next_ns       INTEGER NOT NULL,
  UNIQUE (product, key)
);
CREATE INDEX outbox_pending ON outbox (receiver, integration, idx, group_key, id) WHERE state = 'pending';
CREATE INDEX outbox_created ON outbox (created_ns);

CREATE TABLE delivery_attempts (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  outbox_id   INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  at_ns       INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  error       TEXT    NOT NULL
);
CREATE INDEX delivery_attempts_of ON delivery_attempts (outbox_id);
