-- One row per process life. `accepted` entries that are neither in the ledger nor in a spill segment when an instance died
-- are lost; there can be no more of them than its channel held.
CREATE TABLE instances (
  id               uuid        PRIMARY KEY,
  host             text        NOT NULL,
  version          text        NOT NULL,
  started_at       timestamptz NOT NULL,
  -- Written now and then while it lives, and at the end.
  last_seen_at     timestamptz NOT NULL,
  -- NULL while it runs, and for ever when it died without a stop.
  ended_at         timestamptz,
  -- Most entries that can be in memory, and so be lost by a kill.
  capacity_entries bigint      NOT NULL,
  -- Milliseconds after which every entry is on disk; NULL without a journal.
  journal_ms       integer,
  -- Figures of when it was last seen: NULL before the first.
  accepted_seq     bigint,
  spilled_entries  bigint
);

-- What becomes of the tenant's entries, and requests, when the log has no room: docs/log-policies.md.
ALTER TABLE tenants
  ADD COLUMN log_policy text NOT NULL DEFAULT 'spill' CHECK (log_policy IN ('best_effort', 'spill', 'strict'));

ALTER TABLE access_ledger
  -- Rows of the batch by tenant: {"<tenant>": n}, '' for none.
  ADD COLUMN tenants      jsonb,
  -- Entries accepted by the instance when the batch was sealed: the last seq, dropped entries included.
  ADD COLUMN accepted_seq bigint,
  -- Of these, entries that were waiting in the channel then: accepted_seq - buffered had been settled, by this batch or an
  -- earlier one, as a row, a quarantined row or a drop. So each row can be checked against its predecessor alone, and the size
  -- of a hole between two rows is known.
  ADD COLUMN buffered     bigint,
  -- Whole minutes (since 1970, UTC) in which entries of the batch started: what roll-ups must recompute. NULL for unknown.
  ADD COLUMN minutes      bigint[],
  -- Rows of the batch that went to quarantine, by tenant.
  ADD COLUMN quarantined  jsonb,
  -- SHA-256 of the batch's rows as COPY text, and the chain: SHA-256 of the previous batch's chain digest, this row's figures
  -- in canonical form, and rows_digest.
  ADD COLUMN rows_digest  bytea,
  ADD COLUMN digest       bytea,
  -- The last batch of an instance that stopped in order.
  ADD COLUMN is_final     boolean NOT NULL DEFAULT false;
-- Serves audits of a window of time: batches are written nearly in the order of their entries.
CREATE INDEX access_ledger_times ON access_ledger USING brin (first_started_at, last_started_at);

-- Rows that Postgres refused for their content, kept as the COPY text that was refused.
CREATE TABLE quarantine (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instance       uuid        NOT NULL,
  seq            bigint      NOT NULL,
  tenant         text        NOT NULL,
  -- SQLSTATE and the server's words, without the row.
  code           text        NOT NULL,
  detail         text,
  row            bytea       NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT now(),
  -- NULL while it waits; then what an operator decided.
  resolution     text CHECK (resolution IN ('stored', 'dropped')),
  resolved_at    timestamptz,
  CONSTRAINT quarantine_entry UNIQUE (instance, seq),
  CHECK ((resolution IS NULL) = (resolved_at IS NULL))
);
CREATE INDEX quarantine_waiting ON quarantine (id) WHERE resolution IS NULL;
