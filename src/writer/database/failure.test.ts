import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { projectFolder } from '../../version.ts'
import { type FailureKind, failureKind, isNumberTaken, KIND_BY_SQLSTATE, toBatchError } from './failure.ts'

t.test('docs/errors.md has the table of SQLSTATEs that is in force, and explains each kind', async (t) => {
  const document = readFileSync(join(projectFolder(), 'docs/errors.md'), 'utf8')
  const rows = [...document.matchAll(/^\| `([0-9A-Z]{2}|[0-9A-Z]{5})` \| .+ \| `(\w+)` \|$/gm)]
  t.same(Object.fromEntries(rows.map(([, code, kind]) => [code, kind])), KIND_BY_SQLSTATE)
  t.equal(rows.length, Object.keys(KIND_BY_SQLSTATE).length, 'none twice')
  const kinds = [...document.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, kind]) => kind)
  t.same(new Set(kinds), new Set(Object.values(KIND_BY_SQLSTATE)))
})

t.test(
  'every class of SQLSTATE has its answer; the unknown is suspect when the server says it, and else transient',
  async (t) => {
    const cases: Record<FailureKind, string[]> = {
      retry: [
        '08006',
        '40P01',
        '53100',
        '53300',
        '55P03',
        '57014',
        '57P01',
        '57P03',
        '58030',
        'ECONNREFUSED',
        'timeout',
        '',
      ],
      missing_partition: ['23514'],
      rejected: ['P0001', '22021', '22P02', '22003', '23502', '23505', '54000'],
      suspect: ['XX000', 'XX001'],
      unusable: ['08P01', '42P01', '42501', '28P01', '3D000', '25006', '0A000'],
    }
    for (const [kind, codes] of Object.entries(cases)) {
      for (const code of codes) t.equal(failureKind(code), kind, code)
    }
    for (const code of ['AC001', '2F003', 'ZZZZZ']) t.equal(failureKind(code, true), 'suspect', code)
    t.equal(failureKind('EPIPE'), 'retry', 'five letters that are no SQLSTATE')
  },
)

t.test('finds the row that Postgres blames, whatever its language', async (t) => {
  const line = (where: unknown): number | null => toBatchError({ code: '22021', where }).line
  t.equal(line('COPY access_log, line 3'), 3)
  t.equal(line('COPY access_log, line 12, column status: "x 9"'), 12)
  t.equal(line('COPY access_log, Zeile 7, Spalte path: »line 9«'), 7)
  t.equal(line('SQL function "f"\nCOPY access_log, line 4: "a\tb"'), 4)
  t.equal(line('SQL function "f" statement 1'), null)
  t.equal(line(undefined), null)
})

t.test('takes a duplicate for stored only when it is the ledger that has it', async (t) => {
  t.equal(isNumberTaken({ code: '23505', constraint: 'access_ledger_pkey' }), true)
  t.equal(isNumberTaken({ code: '23505', constraint: 'quarantine_entry' }), true)
  t.equal(isNumberTaken({ code: '23505', constraint: 'other_key' }), false)
  t.equal(isNumberTaken({ code: '23503', constraint: 'access_ledger_pkey' }), false)
  t.equal(isNumberTaken(null), false)
})

t.test('keeps the cause, and leaves an error of its own as it is', async (t) => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const error = toBatchError(cause)
  t.match(error, { code: 'ECONNREFUSED', kind: 'retry', cause })
  t.equal(toBatchError(error), error)
  t.equal(toBatchError('?').code, 'unknown')
})
