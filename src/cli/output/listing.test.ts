import t from 'tap'
import { openListing, printListing, type Format, type RowShape } from './listing.ts'
import { testIo } from '../../test/cli-io.ts'

interface Fruit {
  readonly name: string
  readonly count: number | null
  readonly at: Date
}

const SHAPE: RowShape<Fruit> = {
  toOutput: (fruit) => ({ ...fruit }),
  csvColumns: ['name', 'count', 'at'],
  columns: [
    { title: 'NAME', cell: (f) => f.name },
    { title: 'COUNT', isRight: true, cell: (f) => String(f.count) },
  ],
}
const AT = new Date('2026-11-21T08:00:00Z')

async function print(format: Format, chunks: readonly (readonly Fruit[])[]): Promise<string> {
  const io = testIo([])
  const listing = openListing(io, format, SHAPE)
  for (const chunk of chunks) await listing.write(chunk)
  await listing.end()
  return io.written.stdout
}

t.test('JSON is one document, also in several chunks and with none', async (t) => {
  const fruit = { name: 'fig', count: 1, at: AT }
  t.same(
    JSON.parse(await print('json', [[fruit], [], [fruit, fruit]])),
    Array.from({ length: 3 }, () => ({ ...fruit, at: AT.toISOString() })),
  )
  t.equal(await print('json', []), '[]\n')
  t.equal(await print('json', [[]]), '[]\n')
})

t.test('NDJSON is one object a line', async (t) => {
  const lines = (
    await print('ndjson', [[{ name: 'a\nb', count: 1, at: AT }], [{ name: 'c', count: null, at: AT }]])
  ).split('\n')
  t.equal(lines.length, 3)
  t.same(JSON.parse(lines[0] ?? ''), { name: 'a\nb', count: 1, at: AT.toISOString() })
  t.equal(await print('ndjson', []), '')
})

t.test('CSV has its headings once, also without rows, and quotes what has to be', async (t) => {
  const rows = [{ name: 'a,"b"', count: null, at: AT }]
  t.equal(
    await print('csv', [rows, [{ name: 'c', count: -2, at: AT }]]),
    'name,count,at\n"a,""b""",,2026-11-21T08:00:00.000Z\nc,-2,2026-11-21T08:00:00.000Z\n',
  )
  t.equal(await print('csv', []), 'name,count,at\n')
})

t.test('a CSV cell cannot become a formula or a terminal command', async (t) => {
  for (const start of ['=', '+', '-', '@']) {
    const csv = await print('csv', [[{ name: `${start}cmd`, count: 1, at: AT }]])
    t.equal(csv.split('\n')[1], `'${start}cmd,1,2026-11-21T08:00:00.000Z`)
  }
  t.match(await print('csv', [[{ name: '\x1b]0;x\x07', count: 1, at: AT }]]), String.raw`\x1b]0;x\x07`)
})

t.test('a table cell cannot send commands to the terminal', async (t) => {
  t.match(await print('table', [[{ name: '\x1b[2J\u009b', count: 1, at: AT }]]), String.raw`\x1b[2J\x9b`)
})

t.test('a short listing is printed at once', async (t) => {
  const io = testIo([])
  await printListing(io, 'table', SHAPE, [])
  t.equal(io.written.stdout, 'NAME  COUNT\n')
})
