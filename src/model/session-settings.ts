/**
 * Settings that change what a session reads, writes or bears, and that a role, a database or a server's configuration may have set to
 * something else. Each connection sets them itself once it is let in, and not in its startup packet: a pooler drops what it
 * does not know of that. (`search_path` is left alone: it tells where the operator has put the tables.)
 */
const TEXT_FORMS: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
}

const BEHAVIOUR: Readonly<Record<string, string>> = {
  default_transaction_isolation: 'read committed',
  // `default_transaction_read_only` is not here: with it an operator stops writers on purpose, and entries wait on disk meanwhile.
  default_transaction_deferrable: 'off',
  // A role that row level security restricts would read nothing where it means to read all, and believe it: it gets an error (42501)
  // instead. Reads on a tenant's behalf turn it on (tenant-scope.ts).
  row_security: 'off',
  // Compiling a statement took a hundred times as long as running it (docs/decisions/0534).
  jit: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // What listens is idle for hours.
  idle_session_timeout: '0',
}

/**
 * One simple query for a new connection. `own` wins; its values are milliseconds where they are times. Names of people and hosts are
 * in it as ASCII: what else it has is read before `client_encoding` is set. The last two are only touched
 * where they are not as they should be: one is not known to every version, the other only a superuser may set (and with it
 * the triggers that tell gateways of a revoked key would not run, so that a role that has it is refused).
 */
export function sessionStatement(own: Readonly<Record<string, string | number>>): string {
  const all = { ...TEXT_FORMS, ...BEHAVIOUR, ...own }
  const sets = Object.entries(all).map(([name, value]) => `SET ${name} TO ${literal(value)};`)
  return `${sets.join(' ')}
    SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout' AND setting <> '0';
    SELECT pg_catalog.set_config('session_replication_role', 'origin', false)
    WHERE pg_catalog.current_setting('session_replication_role') <> 'origin'`
}

/** Read the same whatever `standard_conforming_strings` is while the statement is read. */
function literal(value: string | number): string {
  const text = String(value).replaceAll(/[^ -~]/gu, '?')
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
