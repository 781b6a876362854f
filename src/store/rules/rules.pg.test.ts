import t from 'tap'
import type { RuleRecord } from '../../model/rules/rule.ts'
import { readRulePackage } from '../../model/rules/rule-wish.ts'
import { testDatabase } from '../../test/database.ts'
import { follow } from '../../test/directory.ts'
import { TYPES } from '../../test/rules/rules.ts'
import { createTenant } from '../directory/tenants.ts'
import { createRule, getRule, listRules, type NewRule, rulesFor, setRuleState } from './rules.ts'

const { sql, target } = await testDatabase(t)
let ids = 0

function wish(text: string, changes: Partial<NewRule> = {}): NewRule {
  const { package: canonical, type, lookUp } = readRulePackage(text, TYPES)
  return {
    id: `r${(++ids).toString(16).padStart(16, '0')}`,
    package: canonical,
    type,
    lookUp,
    tenants: [],
    routes: [],
    keys: [],
    action: 'deny',
    isDryRun: false,
    reason: 'malware',
    reference: '',
    expiresAt: null,
    priority: 100,
    ...changes,
  }
}

t.test('a gateway follows each change of a rule, and its versions only grow', async (t) => {
  await createTenant(sql, 'acme', {})
  const { refresher, until } = follow(t, target, 60_000)
  const rules = () => refresher.snapshot?.rules
  await refresher.start()
  t.equal(rules()?.count, 0, 'it knows that there are none')
  const expiresAt = new Date('2100-01-01T00:00:00Z')
  const made = await createRule(
    sql,
    wish('pkg:npm/Left-Pad@>=1.2 <1.4', {
      tenants: ['acme'],
      routes: ['npm'],
      expiresAt,
      reference: 'GHSA-1',
    }),
  )
  t.match(made, { state: 'active', version: 1, createdBy: /./ })
  await until(() => rules()?.count === 1)
  const [loaded] = rules()?.named('npm', 'Left-Pad') ?? []
  t.match(loaded, {
    id: made.id,
    package: 'pkg:npm/Left-Pad@>=1.2 <1.4',
    tenants: ['acme'],
    routes: ['npm'],
    keys: [],
    action: 'deny',
    reference: 'GHSA-1',
    expiresAtMs: expiresAt.getTime(),
    priority: 100,
    version: 1,
  } satisfies Partial<RuleRecord>)
  t.match(await setRuleState(sql, made.id, 'disabled'), {
    changed: true,
    rule: { state: 'disabled', version: 2 },
  })
  await until(() => rules()?.count === 0)
  t.match(await setRuleState(sql, made.id, 'active'), { changed: true, rule: { version: 3 } })
  await until(() => rules()?.count === 1)
  t.match(await setRuleState(sql, made.id, 'active'), { changed: false })
  t.match(await setRuleState(sql, made.id, 'removed'), { changed: true, rule: { state: 'removed' } })
  await until(() => rules()?.count === 0)
  await t.rejects(setRuleState(sql, made.id, 'active'), { code: 'rule_removed' })
  await t.rejects(setRuleState(sql, 'r0', 'active'), { code: 'rule_not_found' })
  await t.rejects(sql`UPDATE rules SET reason = 'x' WHERE id = ${made.id}`, { code: 'WB002' })
  await t.rejects(sql`DELETE FROM rules`, { code: 'WB003' })
  const log = await sql<
    { action: string }[]
  >`SELECT action FROM admin_log WHERE subject = ${`rule:${made.id}`} ORDER BY seq`
  t.same(
    log.map(({ action }) => action),
    ['rule.created', 'rule.changed', 'rule.changed', 'rule.changed'],
  )
})

t.test(
  'what nobody can have, or what contradicts another rule, is refused and changes nothing',
  async (t) => {
    await t.rejects(createRule(sql, wish('pkg:npm/a', { tenants: ['nobody'] })), {
      code: 'tenant_not_found',
      message: /tenants: .*nobody/,
    })
    await t.rejects(createRule(sql, wish('pkg:npm/a', { keys: ['000000000000'] })), {
      code: 'key_not_found',
      message: /keys: /,
    })
    const first = await createRule(sql, wish('pkg:npm/a@1.0.0', { routes: ['one', 'two'] }))
    const allow = { action: 'allow' } as const
    await t.rejects(createRule(sql, wish('pkg:npm/a@1.0.0', allow)), {
      code: 'rule_contradicts',
      message: /priority: /,
    })
    await t.rejects(createRule(sql, wish('pkg:npm/a@1.0.0', { ...allow, routes: ['two'] })), {
      code: 'rule_contradicts',
    })
    await createRule(sql, wish('pkg:npm/a@1.0.0', { ...allow, routes: ['three'] }))
    await createRule(sql, wish('pkg:npm/a@1.0.0', { ...allow, priority: 200 }))
    await createRule(sql, wish('pkg:npm/a@1.0.0', { ...allow, isDryRun: true }))
    await createRule(sql, wish('pkg:npm/a@1.0.1', allow))
    t.equal((await listRules(sql)).length, 5)
    await createRule(sql, wish('pkg:npm/*', { priority: 1 }))
    const found = await rulesFor(sql, 'npm', 'a')
    t.equal(found.length, 6)
    t.same([found[0]?.priority, found.at(-1)?.priority], [200, 1], 'in the order in which they are asked')
    t.match(await getRule(sql, first.id), { routes: ['one', 'two'] })
    const pages = [await listRules(sql, { limit: 2 })]
    pages.push(await listRules(sql, { limit: 10, after: pages[0]?.at(-1)?.id ?? '' }))
    t.same(
      pages.flat().map(({ id }) => id),
      (await listRules(sql)).map(({ id }) => id),
    )
  },
)

t.test('of one name, and with a pattern for a name, there are a thousand rules at most', async (t) => {
  const fill = async (type: string, lookUp: string, base: number): Promise<unknown> =>
    await sql`
    INSERT INTO rules (id, package, type, look_up, action, reason, priority)
    SELECT 'r' || lpad(to_hex(n + ${base}::int), 16, '0'), 'pkg:x/y@' || n, ${type}, ${lookUp}, 'deny', 'malware', 100
    FROM generate_series(1, 1000) n`
  await sql`ALTER TABLE rules DISABLE TRIGGER admin_log_row`
  await fill('pypi', 'many', 2_000_000)
  await t.rejects(createRule(sql, wish('pkg:pypi/Many@1.0')), { code: 'too_many_rules', message: /range/ })
  await createRule(sql, wish('pkg:npm/many@1.0.0'))
  await fill('gem', '', 3_000_000)
  await t.rejects(createRule(sql, wish('pkg:cargo/a*')), { code: 'too_many_rules', message: /pattern/ })
  await createRule(sql, wish('pkg:gem/a'))
  await sql`ALTER TABLE rules ENABLE TRIGGER admin_log_row`
})

t.test('more rules than are read at once reach a gateway in pieces', async (t) => {
  const { refresher, until } = follow(t, target, 60_000)
  await refresher.start()
  const before = refresher.snapshot?.rules?.count ?? 0
  await sql`ALTER TABLE rules DISABLE TRIGGER admin_log_row`
  await sql`
    INSERT INTO rules (id, package, type, look_up, action, reason, priority)
    SELECT 'r' || lpad(to_hex(n + 1000000), 16, '0'), 'pkg:npm/p' || n || '@1.0.0', 'npm', 'p' || n, 'deny', 'malware', 100
    FROM generate_series(1, 3500) n`
  await until(() => refresher.snapshot?.rules?.count === before + 3500)
  t.equal(refresher.snapshot?.rules?.named('npm', 'p2777').length, 1)
})
