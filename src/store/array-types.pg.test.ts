import fc from 'fast-check'
import t from 'tap'
import { testDatabase } from '../test/database.ts'

const { sql } = await testDatabase(t)

const NASTY = fc.constantFrom(
  '',
  'NULL',
  'null',
  '"',
  '\\',
  ',',
  '{}',
  ' a ',
  '\n',
  'ü',
  '😀',
  '\t',
  "'",
  '{a,b}',
  '\\"',
)

t.test('arrays come back as they were sent', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.string().filter((text) => !text.includes('\0')),
          NASTY,
          fc.constant(null),
        ),
      ),
      fc.array(fc.maxSafeInteger()),
      fc.array(fc.uuid()),
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
      async (texts, numbers, ids, doubles) => {
        const [row] = await sql`
          SELECT ${texts}::text[] AS texts, ${numbers}::bigint[] AS numbers, ${ids}::uuid[] AS ids, ${doubles}::float8[] AS doubles,
            cardinality(${texts}::text[]) AS n`
        const zero = (value: number): number => value + 0
        t.same(
          { ...row, doubles: ((row?.['doubles'] ?? []) as number[]).map(zero) },
          { texts, numbers, ids, doubles: doubles.map(zero), n: texts.length },
        )
      },
    ),
    { numRuns: 100 },
  )
})

t.test('and so do those of every type that is read', async (t) => {
  const [row] = await sql`
    SELECT ARRAY[true, false, NULL] AS bools, ARRAY[1, -2]::int2[] AS small, ARRAY[3, NULL] AS ints, ARRAY['x', 'y,']::varchar[] AS words,
      ARRAY['10.0.0.1', '::1']::inet[] AS addresses, ARRAY['10.0.0.0/8']::cidr[] AS networks, '{}'::text[] AS none`
  t.same(row, {
    bools: [true, false, null],
    small: [1, -2],
    ints: [3, null],
    words: ['x', 'y,'],
    addresses: ['10.0.0.1', '::1'],
    networks: ['10.0.0.0/8'],
    none: [],
  })
})
