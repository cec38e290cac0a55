-- Up Migration

-- What PostgreSQL and CockroachDB both understand; what only CockroachDB does is in ../sql-cockroach/. Every statement
-- may run twice: CockroachDB has no advisory locks, so two processes that start at once may both get here.

-- The present state of each user, with what others see of it. (epoch, state_offset) is the place of the record of
-- presence.state that the row holds: the guard of every write.
CREATE TABLE IF NOT EXISTS presence_users (
  user_id          TEXT PRIMARY KEY,
  partition        INT8 NOT NULL,
  epoch            INT8 NOT NULL,
  state_offset     INT8 NOT NULL,
  version          INT8 NOT NULL,
  state            TEXT NOT NULL,
  source           TEXT NOT NULL,
  since            TIMESTAMPTZ,
  last_seen        TIMESTAMPTZ,
  devices          INT8 NOT NULL,
  streaming        BOOL NOT NULL,
  public_version   INT8 NOT NULL,
  public_state     TEXT NOT NULL,
  public_source    TEXT NOT NULL,
  public_since     TIMESTAMPTZ,
  public_last_seen TIMESTAMPTZ,
  public_devices   INT8 NOT NULL,
  public_streaming BOOL NOT NULL,
  override_id      TEXT,
  override_state   TEXT,
  override_until   TIMESTAMPTZ,
  override_reason  TEXT
);

-- One row for each device that is not forgotten yet, and one for the override (device_id `manual`). A client may
-- call its device `manual` too, so `override` is part of the key. `state` is what the device says, `offline` once it does
-- not count; `expires_at` is null while it counts: clean-up never touches what is live.
CREATE TABLE IF NOT EXISTS presence (
  user_id      TEXT NOT NULL,
  device_id    TEXT NOT NULL,
  override     BOOL NOT NULL,
  state        TEXT NOT NULL,
  last_seen    TIMESTAMPTZ NOT NULL,
  session_id   TEXT NOT NULL,
  precedence   INT8 NOT NULL,
  live         BOOL NOT NULL,
  expires_at   TIMESTAMPTZ,
  partition    INT8 NOT NULL,
  epoch        INT8 NOT NULL,
  state_offset INT8 NOT NULL,
  PRIMARY KEY (user_id, device_id, override)
);
CREATE INDEX IF NOT EXISTS presence_expires_at ON presence (expires_at) WHERE expires_at IS NOT NULL;

-- Every transition as the user sees it: versions run 1, 2, 3 … in an epoch. Rows with audience `all` are what others
-- saw too, as their `public_version`.
CREATE TABLE IF NOT EXISTS presence_history (
  user_id        TEXT NOT NULL,
  epoch          INT8 NOT NULL,
  version        INT8 NOT NULL,
  audience       TEXT NOT NULL,
  public_version INT8 NOT NULL,
  from_state     TEXT NOT NULL,
  to_state       TEXT NOT NULL,
  at             TIMESTAMPTZ NOT NULL,
  cause          TEXT NOT NULL,
  source         TEXT NOT NULL,
  device_id      TEXT,
  trace_id       TEXT,
  log            INT8 NOT NULL,
  input_offset   INT8 NOT NULL,
  PRIMARY KEY (user_id, epoch, version)
);
CREATE INDEX IF NOT EXISTS presence_history_public ON presence_history (user_id, epoch, public_version) WHERE audience = 'all';
CREATE INDEX IF NOT EXISTS presence_history_at ON presence_history (user_id, at);

-- Transitions that only others saw (a user turning invisible, and the end of it).
CREATE TABLE IF NOT EXISTS presence_history_others (
  user_id        TEXT NOT NULL,
  epoch          INT8 NOT NULL,
  public_version INT8 NOT NULL,
  version        INT8 NOT NULL,
  from_state     TEXT NOT NULL,
  to_state       TEXT NOT NULL,
  at             TIMESTAMPTZ NOT NULL,
  cause          TEXT NOT NULL,
  source         TEXT NOT NULL,
  device_id      TEXT,
  trace_id       TEXT,
  log            INT8 NOT NULL,
  input_offset   INT8 NOT NULL,
  PRIMARY KEY (user_id, epoch, public_version)
);

-- How far each partition of presence.state is in these tables, written with the rows themselves.
CREATE TABLE IF NOT EXISTS presence_progress (
  partition    INT8 PRIMARY KEY,
  epoch        INT8 NOT NULL,
  state_offset INT8 NOT NULL,
  stamp        TIMESTAMPTZ NOT NULL,
  input_offset INT8 NOT NULL
);

-- Down Migration

DROP TABLE IF EXISTS presence_progress;
DROP TABLE IF EXISTS presence_history_others;
DROP TABLE IF EXISTS presence_history;
DROP TABLE IF EXISTS presence;
DROP TABLE IF EXISTS presence_users;
