import fc from 'fast-check'
import t from 'tap'
import { AccessEntry } from '../../model/access-entry.ts'
import { decodeRow } from '../../model/copy-text.ts'
import { ENTRY_COLUMNS, type EntryColumn, type UnstoredField } from '../../model/entry-columns.ts'
import { maxRowBytes, RowEncoder, storableText } from './encode.ts'
import { NOON_MS } from '../../test/clock.ts'
import { entryOf, INSTANCE } from '../../test/writer-parts.ts'

function encode(fields: Partial<AccessEntry>): Record<string, string | null> {
  // Through bytes, as Postgres gets it.
  const text = Buffer.from(new RowEncoder(INSTANCE).row(entryOf(fields))).toString()
  if (!text.endsWith('\n') || text.slice(0, -1).includes('\n')) throw new Error('not one row')
  const values = decodeRow(text.slice(0, -1))
  if (values.length !== ENTRY_COLUMNS.length) throw new Error(`${values.length} fields`)
  return Object.fromEntries(ENTRY_COLUMNS.map(({ name }, i) => [name, values[i] ?? null]))
}

/** A value for the entry that no other field has, and what its column then holds. */
function markOf({ name, type }: EntryColumn, i: number): [given: unknown, stored: string] {
  switch (type) {
    case 'timestamptz':
      return [NOON_MS + i, `2026-11-21 12:00:00.${String(i).padStart(3, '0')}+00`]
    case 'inet':
      return [`192.0.2.${i}`, `192.0.2.${i}`]
    case 'smallint':
    case 'bigint':
      return [20_000 + i, String(20_000 + i)]
    case 'text':
    case 'uuid':
      return [`mark of ${name}`, `mark of ${name}`]
  }
}

t.test('each column has its field of the entry, in the order of the table', async (t) => {
  for (const [i, column] of ENTRY_COLUMNS.entries()) {
    if (column.field === null) continue
    const [given, stored] = markOf(column, i)
    t.equal(encode({ [column.field]: given })[column.name], stored, column.name)
  }
  t.equal(encode({})['instance'], INSTANCE)
  t.equal(ENTRY_COLUMNS.at(-1)?.name, 'seq', 'where rows are sorted by')
})

t.test('each field of an entry has a column, but those of the channel', async (t) => {
  const channels = { standing: true, bytes: true, isEvicted: true, next: true } as const
  const unstored: Record<UnstoredField, true> = { ...channels, routed: true, digest: true, span: true }
  const stored = ENTRY_COLUMNS.flatMap(({ field }) => (field === null ? [] : [field]))
  t.same(Object.keys(new AccessEntry()).toSorted(), [...stored, ...Object.keys(unstored)].toSorted())
})

/** Texts of closed sets, which are written as they are. */
const CLOSED = new Set(['kind', 'outcome', 'reason', 'artifact_kind', 'rule_action'])
const TEXT_COLUMNS = ENTRY_COLUMNS.filter(({ name, type }) => type === 'text' && !CLOSED.has(name))

const hostileText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      '\\',
      'N',
      '.',
      '\t',
      '\n',
      '\r',
      '\0',
      'é',
      '\ud800',
      '\udc00',
      '😀',
      '\u0085',
      "'",
    ),
  }),
  fc.constantFrom(
    '\\.',
    '\\N',
    '\\',
    'N',
    '\\.\n',
    '\r\n',
    'x'.repeat(65_536),
    '\\'.repeat(65_536),
    '\0'.repeat(9),
  ),
)

t.test('any text in any field decodes to its storable form, and the row keeps its bound', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...TEXT_COLUMNS), hostileText, ({ name, field }, text) => {
      const entry = entryOf({ [field ?? '']: text })
      const row = new RowEncoder(INSTANCE).row(entry)
      return (
        encode({ [field ?? '']: text })[name] === (text === '' ? null : storableText(text)) &&
        Buffer.byteLength(row) <= maxRowBytes(entry)
      )
    }),
    { numRuns: 500 },
  )
})

t.test('any number in any number field gives an integer that its column takes', async (t) => {
  const number = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e21, -0, 0.5, 2 ** 53),
  )
  fc.assert(
    fc.property(number, (value) => {
      const row = encode({
        status: value,
        bytesReceived: value,
        bytesSent: value,
        durationUs: value,
        upstreamUs: value,
        seq: value,
      })
      const status = Number(row['status'])
      return (
        ['status', 'bytes_received', 'bytes_sent', 'duration_us', 'seq'].every((name) =>
          /^-?\d{1,16}$/.test(row[name] ?? ''),
        ) &&
        status >= 0 &&
        status <= 32_767 &&
        (value >= 0 ? /^\d+$/.test(row['upstream_us'] ?? '') : row['upstream_us'] === null)
      )
    }),
  )
  const row = encode({ bytesSent: Number.NaN, durationUs: 1e21, status: 1e9, bytesReceived: 2.9 })
  t.match(row, {
    bytes_sent: '0',
    duration_us: String(Number.MAX_SAFE_INTEGER),
    status: '32767',
    bytes_received: '2',
  })
})

t.test(
  'any date gives a timestamp of four digits of year, exact to the millisecond where it can be',
  async (t) => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double(), fc.integer({ min: -62_135_596_800_000, max: 253_402_214_399_999 })),
        (ms) => {
          const text = encode({ startedAtMs: ms })['started_at'] ?? ''
          if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+00$/.test(text)) return false
          const back = Date.parse(text.replace(' ', 'T').replace('+00', 'Z'))
          return !Number.isSafeInteger(ms) || Math.abs(ms) > 62_135_596_800_000 || back === ms
        },
      ),
    )
    t.equal(encode({ startedAtMs: Number.NaN })['started_at'], '1970-01-01 00:00:00.000+00')
    t.equal(encode({ startedAtMs: Infinity })['started_at'], '9999-12-30 23:59:59.999+00')
    t.equal(encode({ startedAtMs: -Infinity })['started_at'], '0001-01-01 00:00:00.000+00')
    t.equal(encode({ startedAtMs: NOON_MS + 7.9 })['started_at'], '2026-11-21 12:00:00.007+00')
  },
)

t.test('what was absent is NULL, and a row without an artifact says so', async (t) => {
  const row = encode({ tenant: '', method: '', path: '', upstreamUs: -1 })
  for (const { name, isNullable } of ENTRY_COLUMNS)
    t.equal(row[name] === null, isNullable && name !== 'artifact_kind' && name !== 'rule_action', name)
  t.equal(row['artifact_kind'], 'none', 'this tells of which form a row is')
  t.equal(row['rule_action'], 'none', 'and this')
  t.equal(encode({ ecosystem: 'npm' })['artifact_kind'], 'none')
})

t.test('client addresses are kept when inet takes them, without zone, and left out otherwise', async (t) => {
  const cases = {
    '192.0.2.1': '192.0.2.1',
    '2001:db8::1': '2001:db8::1',
    '::ffff:192.0.2.1': '::ffff:192.0.2.1',
    'fe80::1%eth0': 'fe80::1',
    '': null,
    '192.0.2.1:80': null,
    '[::1]': null,
    '%eth0': null,
    unknown: null,
    '192.0.2.1\n': null,
    '010.0.0.1': null,
  }
  for (const [address, stored] of Object.entries(cases)) {
    t.equal(encode({ clientIp: address })['client_ip'], stored, address)
  }
  const encoder = new RowEncoder(INSTANCE)
  for (let i = 0; i < 10_000; i++) encoder.row(entryOf({ clientIp: `10.0.${i >> 8}.${i & 255}` }))
  t.match(encoder.row(entryOf({ clientIp: '10.0.0.1' })), '\t10.0.0.1\t', 'known or forgotten')
})

t.test(
  'ids are UUIDs of version 7 that bear the time, rise with seq, and are unique per instance and seq',
  async (t) => {
    const id = (seq: number, startedAtMs = NOON_MS): string => encode({ seq, startedAtMs })['id'] ?? ''
    t.match(id(1), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    t.equal(Number.parseInt(id(1).replaceAll('-', '').slice(0, 12), 16), NOON_MS)
    t.ok(id(5, -1).startsWith('00000000-0000-7'), 'before 1970')
    fc.assert(
      fc.property(
        fc.nat(2 ** 32 - 1),
        fc.nat(2 ** 32 - 1),
        (a, b) => a < b === id(a) < id(b) && (a === b) === (id(a) === id(b)),
      ),
    )
    const other = new RowEncoder('0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c').row(entryOf({ seq: 1 }))
    t.not(other.slice(0, 36), id(1))
    t.throws(() => new RowEncoder("x', now()"), RangeError)
  },
)
