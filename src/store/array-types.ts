import type postgres from 'postgres'

/**
 * The array types that the product's statements use, of one dimension. postgres.js would ask each new connection for all array
 * types of the server, by a query whose promise nobody has (3.4.9, src/connection.js fetchArrayTypes): when the connection
 * breaks in that moment and the server then refuses the next, which a crash of Postgres brings about, the process ends with an
 * unhandled rejection. It costs a round trip of each connection, too.
 */
export const ARRAY_TYPES: Readonly<Record<string, postgres.PostgresType>> = {
  // OIDs: PostgreSQL, src/include/catalog/pg_type.dat, array_type_oid.
  textArray: arrayType([1009, 2951], (text) => text), // text[], uuid[]
  numberArray: arrayType([1016, 1022], Number), // int8[], float8[]
}

function arrayType(oids: readonly number[], read: (text: string) => unknown): postgres.PostgresType {
  return {
    to: oids[0] ?? 0,
    from: [...oids],
    parse: (text: string) => parseArray(text, read),
    serialize: formatArray,
  }
}

/** Writes an array of texts, numbers and nulls as PostgreSQL reads it (manual §8.15.6). */
export function formatArray(values: unknown): string {
  // Written so already.
  if (typeof values === 'string') return values
  if (!Array.isArray(values)) throw new TypeError('not an array')
  const elements = (values as readonly (string | number | null)[]).map((value) =>
    value === null ? 'NULL' : `"${String(value).replaceAll(/["\\]/g, String.raw`\$&`)}"`,
  )
  return `{${elements.join(',')}}`
}

/** Reads an array of one dimension as PostgreSQL writes it (manual §8.15.6). Throws when it has more. */
export function parseArray<T>(text: string, read: (text: string) => T): (T | null)[] {
  const values: (T | null)[] = []
  if (!text.startsWith('{') || text.startsWith('{{')) throw new RangeError('not an array of one dimension')
  for (const [, quoted, plain = ''] of text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^",]+)/gs)) {
    if (quoted !== undefined) values.push(read(quoted.replaceAll(/\\(.)/gs, '$1')))
    else values.push(plain === 'NULL' ? null : read(plain))
  }
  return values
}
