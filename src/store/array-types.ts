import { parse } from 'postgres-array'

/** What postgres.js wants to know of a type: the OIDs that it has, and its text form both ways. */
export interface TypeHandler {
  readonly to: number
  readonly from: number[]
  readonly parse: (text: string) => unknown
  readonly serialize: (value: unknown) => string
}

/** What an array may hold as a parameter. */
type Element = string | number | boolean | Date | null

/**
 * Arrays of the built-in types, whose OIDs never change (PostgreSQL, pg_type.dat). postgres.js would ask the catalog for them
 * on each new connection, and a failure of that query ends the process (docs/decisions/0060). Besides it saves 10 KB a connection.
 *
 * Any other array goes and comes as text.
 */
export const ARRAY_TYPES: Readonly<Record<string, TypeHandler>> = {
  'bool[]': arrayOf(1000, (text) => text === 't'),
  'int2[]': arrayOf(1005, Number),
  'int4[]': arrayOf(1007, Number),
  // As the handle reads bigint: counters and byte sums are far below 2^53.
  'int8[]': arrayOf(1016, Number),
  'float4[]': arrayOf(1021, Number),
  'float8[]': arrayOf(1022, Number),
  'text[]': arrayOf(1009, String),
  'varchar[]': arrayOf(1015, String),
  'name[]': arrayOf(1003, String),
  'uuid[]': arrayOf(2951, String),
  'inet[]': arrayOf(1041, String),
  'cidr[]': arrayOf(651, String),
  'timestamptz[]': arrayOf(1185, (text) => new Date(text)),
}

function arrayOf(oid: number, parseElement: (text: string) => unknown): TypeHandler {
  return {
    to: oid,
    from: [oid],
    parse: (text) => parse(text, parseElement),
    serialize: (value) => (Array.isArray(value) ? arrayText(value as Element[]) : (value as string)),
  }
}

/** PostgreSQL manual §8.15.2: every element quoted, so that none is taken for a delimiter or for NULL. */
function arrayText(values: readonly Element[]): string {
  return `{${values.map(elementText).join(',')}}`
}

function elementText(value: Element): string {
  if (value === null) return 'NULL'
  const text = value instanceof Date ? value.toISOString() : String(value)
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
