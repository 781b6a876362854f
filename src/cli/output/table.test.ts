import * as fc from 'fast-check'
import t from 'tap'
import { Table, type TableColumn } from './table.ts'
import { cellWidth } from './text.ts'

const COLUMNS: readonly TableColumn[] = [
  { title: 'ID' },
  { title: 'NAME', minWidth: 4 },
  { title: 'N', isRight: true, dropOrder: 1 },
  { title: 'PATH', minWidth: 8 },
]

t.test('a pipe gets whole values, aligned', async (t) => {
  const table = new Table(COLUMNS, null)
  const lines = table.lines([
    ['a', 'first', '1', '/x'],
    ['b', 'second-name', '100', `/${'y'.repeat(200)}`],
  ])
  t.equal(
    lines,
    `ID  NAME           N  PATH\na   first          1  /x\nb   second-name  100  /${'y'.repeat(200)}\n`,
  )
})

t.test('headings are printed once, also for no rows', async (t) => {
  const table = new Table(COLUMNS, 80)
  t.match(table.lines([]), /^ID +NAME +N +PATH\n$/)
  t.equal(table.lines([]), '')
})

t.test('a terminal that is too narrow loses columns by their order, never the key columns', async (t) => {
  const table = new Table(COLUMNS, 20)
  t.equal(
    table.lines([['abcd', 'a-long-name', '12345', '/some/where']]),
    'ID    NAME  PATH\nabcd  a-l…  /some/w…\n',
  )
})

t.test('a long name after short ones takes its room from the last column', async (t) => {
  const table = new Table(COLUMNS, 40)
  table.lines([['a', 'x', '1', `/${'p'.repeat(60)}`]])
  t.equal(
    table.lines([['a', 'long-name', '1', `/${'p'.repeat(60)}`]]),
    `a   long-name  1  /${'p'.repeat(20)}…\n`,
  )
})

t.test('no line is wider than the terminal, whatever comes, where the fixed columns fit', async () => {
  const row = fc.tuple(fc.string({ maxLength: 4 }), fc.string(), fc.string({ maxLength: 4 }), fc.string())
  fc.assert(
    fc.property(
      fc.array(fc.array(row, { maxLength: 5 }), { maxLength: 4 }),
      fc.integer({ min: 80, max: 200 }),
      (chunks, width) => {
        const table = new Table(COLUMNS, width)
        const lines = chunks
          .map((chunk) => table.lines(chunk))
          .join('')
          .split('\n')
        return lines.every((line) => cellWidth(line) <= width)
      },
    ),
  )
})
