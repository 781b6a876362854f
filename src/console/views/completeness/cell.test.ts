import t from 'tap'
import type { Audit } from '../../api/audit.ts'
import type { Completeness, HourState } from '../../api/completeness.ts'
import { auditState, dayCell, hourCell, tenantsOf } from './cell.ts'

function dayOf(states: readonly HourState[], rows: Completeness['tenants'] = []): Completeness {
  const hours = states.map((state, i) => ({ at: String(i), state, accepted: 1, gapCount: 0, gaps: [] }))
  return { since: '', until: '', settledTo: null, hours, tenants: rows, moreTenants: 0 }
}

t.test('a day is as its worst hour is', async (t) => {
  t.strictSame(dayCell(null, null), { state: 'unread', accepted: 0 })
  t.strictSame(dayCell(dayOf(['complete', 'none', 'so_far']), null), { state: 'so_far', accepted: 3 })
  t.equal(dayCell(dayOf(['complete', 'gap', 'unproven']), null).state, 'gap')
  t.equal(dayCell(dayOf(['unproven', 'so_far']), null).state, 'unproven')
  t.equal(dayCell(dayOf(['none', 'none']), null).state, 'none')
})

t.test('a tenant has its own hours; who has none, has the gaps that are nobody’s', async (t) => {
  const acme = { tenant: 'acme', states: ['complete', 'none'] as const, accepted: [7, 0] }
  const day = dayOf(['complete', 'gap'], [acme])
  t.match(hourCell(day, 'acme', 0), { state: 'complete', accepted: 7 })
  t.match(hourCell(day, 'acme', 1), { state: 'none', accepted: 0 })
  t.match(hourCell(day, 'globex', 1), { state: 'none', accepted: 0 })
  t.match(hourCell({ ...day, moreTenants: 1 }, 'globex', 1), { state: 'beyond', accepted: 0 })
  const nobodys = day.hours.map((hour) => ({ ...hour, gapCount: 1 }))
  t.match(hourCell({ ...day, hours: nobodys }, 'globex', 1), { state: 'gap', accepted: 0 })
  t.match(hourCell(day, null, 1), { state: 'gap', accepted: 1 })
  t.match(hourCell(day, null, 2), { state: 'to_come', accepted: 0 })
  t.strictSame(dayCell(day, 'acme'), { state: 'complete', accepted: 7 })
})

t.test('tenants with gaps come first, then those with most requests', async (t) => {
  const row = (tenant: string, state: HourState, n: number) => ({ tenant, states: [state], accepted: [n] })
  const rows = [row('a', 'complete', 1), row('b', 'gap', 0), row('c', 'complete', 5)]
  t.strictSame(tenantsOf([dayOf(['gap'], rows), null]), ['b', 'c', 'a'])
})

t.test('an audit is complete when nothing is missing, doubted or on its way', async (t) => {
  const audit = {
    gaps: [],
    gapCount: 0,
    isCutByFold: false,
    total: { accepted: 1 },
    settledTo: null,
    waiting: 0,
  }
  const stateOf = (more: object): HourState => auditState({ ...audit, ...more } as unknown as Audit)
  t.equal(stateOf({}), 'complete')
  t.equal(stateOf({ waiting: 1 }), 'so_far')
  t.equal(stateOf({ total: { accepted: 0 } }), 'none')
  t.equal(stateOf({ isCutByFold: true }), 'unproven')
  t.equal(stateOf({ gaps: [{ kind: 'unproven' }], gapCount: 1 }), 'unproven')
  t.equal(stateOf({ gaps: [{ kind: 'dropped' }], gapCount: 1 }), 'gap')
})
