-- The tables that sqlite_consumer.py --postgresql writes. Values are text there too: what the station wrote; `number` is for calculating.
-- With TimescaleDB: SELECT create_hypertable('reading', 'at', migrate_data => true); and drop the primary key's need below by `at` in it.
CREATE TABLE IF NOT EXISTS message (
  id text PRIMARY KEY,
  revision integer NOT NULL,
  mn text NOT NULL,
  kind text NOT NULL,
  data_time timestamptz,
  received_at timestamptz NOT NULL,
  backfill integer NOT NULL,
  body text NOT NULL
);

CREATE TABLE IF NOT EXISTS reading (
  id text NOT NULL,
  mn text NOT NULL,
  kind text NOT NULL,
  data_time timestamptz,
  code text NOT NULL,
  field text NOT NULL,
  value text NOT NULL,
  unit text,
  flag text,
  valid integer,
  validity text,
  number numeric GENERATED ALWAYS AS (CASE WHEN value ~ '^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$' THEN value::numeric END) STORED,
  -- Never null, so that it can divide a hypertable: messages without DataTime stand at the beginning.
  at timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(data_time, '1970-01-01 00:00:00+00'::timestamptz)) STORED,
  PRIMARY KEY (id, code, field, at)
);

CREATE INDEX IF NOT EXISTS reading_time ON reading (mn, code, kind, at DESC);

CREATE TABLE IF NOT EXISTS event (
  topic text NOT NULL,
  body text NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS event_once ON event (topic, md5(body));
