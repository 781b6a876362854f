import t from 'tap'
import type { UsageError } from '../../errors.ts'
import { Problems } from '../../problems.ts'
import { BUDGET_SHAPE, readBudgetQuery } from './budget-report.ts'

const NOW = Date.UTC(2026, 10, 21, 9, 30)

t.test('a budget is of the last day unless told, and of no days or months', (t) => {
  const problems = new Problems()
  const { filter } = readBudgetQuery({ route: 'hub', tenant: 'acme' }, NOW, problems)
  t.strictSame(filter, { since: new Date(NOW - 86_400_000), route: 'hub', tenant: 'acme' })
  readBudgetQuery(
    { period: '2026-11', timezone: 'UTC', since: '1h', until: '2h', route: 'A B' },
    NOW,
    problems,
  )
  const error = t.throws(() => problems.throwIfAny()) as unknown as UsageError
  t.match(error.problems, [
    /^--period contradicts/,
    /^--timezone contradicts/,
    /must be before/,
    /^--route: /,
  ])
  t.end()
})

t.test('a budget is printed with what the upstream said', (t) => {
  const row = {
    route: 'hub',
    tenant: null,
    requests: 3,
    share: 0.333_333,
    refused: 1,
    lastRefusedAt: new Date(NOW),
    limit: 'limit=100;remaining=42;reset=1732700000;window=21600',
    limitAt: new Date(NOW),
  }
  t.same(
    BUDGET_SHAPE.columns.map(({ cell }) => cell(row)),
    [
      'hub',
      '-',
      '3',
      '33.3%',
      '1',
      '2026-11-21T09:30:00Z',
      '100 in 21600 s',
      '42',
      '2024-11-27T09:33:20Z',
      '2026-11-21T09:30:00Z',
    ],
  )
  t.match(BUDGET_SHAPE.toOutput(row), { share: 0.3333, limit: 100, reset_at: new Date(1_732_700_000_000) })
  t.same(Object.keys(BUDGET_SHAPE.toOutput(row)), BUDGET_SHAPE.csvColumns)
  t.match(
    BUDGET_SHAPE.columns
      .map(({ cell }) => cell({ ...row, limit: null, limitAt: null, lastRefusedAt: null }))
      .join(' '),
    '1 - - - - -',
  )
  t.end()
})
