import type postgres from 'postgres'

type Element = string | number | bigint | boolean | null

/** Arrays of these types are sent and read (oid of the array in pg_type.dat of PostgreSQL, which never changes → its elements). */
const ELEMENTS: Readonly<Record<number, (text: string) => unknown>> = {
  1000: (text) => text === 't', // bool
  1005: Number, // int2
  1007: Number, // int4
  1009: String, // text
  1015: String, // varchar
  1016: Number, // int8
  1022: Number, // float8
  1041: String, // inet
  651: String, // cidr
  2951: String, // uuid
}

/**
 * Array types for postgres.js, which otherwise asks each new connection for them, in a query that nobody awaits: a connection that
 * breaks during it rejects a promise without a handler, and that ends the process (3.4.9, src/connection.js fetchArrayTypes).
 */
export function arrayTypes(): Record<string, postgres.PostgresType> {
  const types: Record<string, postgres.PostgresType> = {}
  for (const [oid, read] of Object.entries(ELEMENTS)) {
    types[`array${oid}`] = {
      to: Number(oid),
      from: [Number(oid)],
      serialize: (elements: readonly Element[]) => writeArray(elements),
      parse: (text: string) => readArray(text, read),
    }
  }
  return types
}

/** Input form of an array, PostgreSQL manual §8.15.6. */
function writeArray(elements: readonly Element[]): string {
  const texts = elements.map((each) =>
    each === null ? 'NULL' : `"${String(each).replaceAll(/["\\]/g, '\\$&')}"`,
  )
  return `{${texts.join(',')}}`
}

/** Reads the output form of an array of one dimension. */
function readArray(text: string, read: (text: string) => unknown): unknown[] {
  const elements: unknown[] = []
  for (const [, quoted, plain] of text.slice(1, -1).matchAll(/(?:"((?:[^"\\]|\\.)*)"|([^,]+))(?:,|$)/gs)) {
    if (quoted !== undefined) elements.push(read(quoted.replaceAll(/\\(.)/gs, '$1')))
    else elements.push(plain === 'NULL' ? null : read(plain ?? ''))
  }
  return elements
}
