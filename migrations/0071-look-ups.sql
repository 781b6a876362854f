-- Finds the few entries of a request id, a trace, a key, an address, a status that hardly anybody had, without reading all partitions: for
-- each 32 pages of a partition a bloom filter of what is in them (docs/decisions/0533). Of the partitioned table alone, as 0061.
-- compatible-from: 0010
CREATE INDEX access_log_request ON ONLY access_log
  USING brin (request_id text_bloom_ops (n_distinct_per_range = 600, false_positive_rate = 0.001)) WITH (pages_per_range = 32);
CREATE INDEX access_log_trace ON ONLY access_log
  USING brin (trace_id text_bloom_ops (n_distinct_per_range = 600, false_positive_rate = 0.001)) WITH (pages_per_range = 32);
CREATE INDEX access_log_rare ON ONLY access_log
  USING brin (
    key_id text_bloom_ops (n_distinct_per_range = 400, false_positive_rate = 0.001),
    client_ip inet_bloom_ops (n_distinct_per_range = 400, false_positive_rate = 0.001),
    status int2_bloom_ops (n_distinct_per_range = 20, false_positive_rate = 0.001),
    outcome text_bloom_ops (n_distinct_per_range = 20, false_positive_rate = 0.001),
    duration_us int8_minmax_ops
  ) WITH (pages_per_range = 32);
