-- The queue: one row per batch, which is also the ledger of what was loaded, and what was sent.
-- Statements that PostgreSQL 9.6 knows.

CREATE TABLE ingest.batches (
    id              uuid PRIMARY KEY,
    sha256          text NOT NULL,
    idempotency_key text,
    format          text NOT NULL CHECK (format IN ('csv', 'json', 'ndjson')),
    bytes           bigint NOT NULL,
    parts           integer NOT NULL,
    -- What the client said about it.
    rows_expected   bigint,
    duplicates      text NOT NULL DEFAULT 'reject' CHECK (duplicates IN ('reject', 'keep')),
    deadline        timestamptz,
    -- Where it stands.
    status          text NOT NULL DEFAULT 'queued'
                    CHECK (status IN ('queued', 'running', 'loaded', 'rejected', 'failed')),
    attempts        integer NOT NULL DEFAULT 0,
    run_after       timestamptz NOT NULL DEFAULT now(),
    claimed_by      text,
    lease_until     timestamptz,
    -- What came of it.
    rows            bigint,
    errors          jsonb NOT NULL DEFAULT '[]',
    error_count     bigint NOT NULL DEFAULT 0,
    reason          text,
    phases          jsonb NOT NULL DEFAULT '{}',
    connections     integer,
    -- Table of its own in schema ingest, for a very large batch; merged_at: its rows were moved to prices.
    child           text,
    merged_at       timestamptz,
    received_at     timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    finished_at     timestamptz
);

-- Delivered twice is loaded once. What was rejected or failed may be sent again.
CREATE UNIQUE INDEX batches_content ON ingest.batches (sha256, format)
    WHERE status IN ('queued', 'running', 'loaded');
CREATE UNIQUE INDEX batches_key ON ingest.batches (idempotency_key)
    WHERE status IN ('queued', 'running', 'loaded');
-- What workers look for.
CREATE INDEX batches_waiting ON ingest.batches (received_at) WHERE status IN ('queued', 'running');
CREATE INDEX batches_finished ON ingest.batches (finished_at);

-- What was sent, in parts, so that nobody has to hold all of it.
CREATE TABLE ingest.bodies (
    batch_id uuid NOT NULL REFERENCES ingest.batches (id) ON DELETE CASCADE,
    part     integer NOT NULL,
    data     bytea NOT NULL,
    PRIMARY KEY (batch_id, part)
);
