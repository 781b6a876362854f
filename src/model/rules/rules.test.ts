import fc from 'fast-check'
import t from 'tap'
import { EMPTY_RULES, RuleShardsUpdate } from '../../directory/rule-shards.ts'
import { rulesOf as book, testRule as rule, TYPES } from '../../test/rules/rules.ts'
import { QueryError } from '../artifact/query-error.ts'
import { judge, type RuleQuestion } from './rule-book.ts'
import type { RuleRecord } from './rule.ts'
import { readRulePackage, reasonProblem } from './rule-wish.ts'

function ask(type: string, name: string, version: string, changes: Partial<RuleQuestion> = {}): RuleQuestion {
  const found = { type, name, version, qualifiers: '' }
  return { found, tenant: 'acme', route: 'npm', key: '', nowMs: 1000, ...changes }
}

function markOf(rules: readonly RuleRecord[], question: RuleQuestion): string {
  return judge(book(...rules), question)?.mark ?? 'none'
}

t.test('a rule is about the versions that its package says, and no others', async (t) => {
  const cases: readonly (readonly [string, string, string, string, boolean])[] = [
    ['pkg:npm/left-pad@1.3.0', 'npm', 'left-pad', '1.3.0', true],
    ['pkg:npm/left-pad@1.3.0', 'npm', 'left-pad', '1.3.1', false],
    ['pkg:npm/left-pad@1.3.0', 'npm', 'left-pad2', '1.3.0', false],
    ['pkg:npm/left-pad', 'npm', 'left-pad', '1.3.1', true],
    ['pkg:npm/left-pad', 'npm', 'left-pad', '', true],
    ['pkg:npm/left-pad@1.3.0', 'npm', 'left-pad', '', false],
    ['pkg:npm/left-pad@>=1.2 <1.4', 'npm', 'left-pad', '1.3.9', true],
    ['pkg:npm/left-pad@>=1.2 <1.4', 'npm', 'left-pad', '1.4.0', false],
    ['pkg:npm/left-pad@vers:npm/>=1.2.0|<1.4.0', 'npm', 'left-pad', '1.3.9', true],
    ['pkg:npm/left-pad@1.3.*', 'npm', 'left-pad', '1.3.9', true],
    ['pkg:npm/@corp/*', 'npm', '@corp/secret', '1.0.0', true],
    ['pkg:npm/@corp/*', 'npm', '@corpse/secret', '1.0.0', false],
    ['pkg:npm/%40corp/*@2.*', 'npm', '@corp/secret', '1.0.0', false],
    ['pkg:npm/corp-*', 'npm', '@evil/corp-x', '1.0.0', false],
    ['pkg:pypi/Flask_Login@0.6', 'pypi', 'flask-login', '0.6.0', true],
    ['pkg:maven/org.example/*', 'maven', 'org.example/lib', '1.0', true],
    ['pkg:maven/lib@1.0', 'maven', 'org.example/lib', '1.0', true],
    ['pkg:maven/other/lib@1.0', 'maven', 'org.example/lib', '1.0', false],
    ['pkg:deb/debian/cur*', 'deb', 'debian/curl', '1', true],
  ]
  for (const [text, type, name, version, isMeant] of cases)
    t.equal(
      markOf([rule(text)], ask(type, name, version)),
      isMeant ? 'deny' : 'none',
      `${text} ${name}@${version}`,
    )
})

t.test('an image is meant by its tag, by its digest, and by its repository', async (t) => {
  const digest = `sha256:${'a'.repeat(64)}`
  const image = (version: string, tag: string): RuleQuestion => ({
    ...ask('oci', 'nginx', version),
    found: {
      type: 'oci',
      name: 'nginx',
      version,
      qualifiers: `repository_url=registry.example.com%2Flibrary%2Fnginx${tag === '' ? '' : `&tag=${tag}`}`,
    },
  })
  t.equal(markOf([rule('pkg:oci/nginx@1.27')], image('', '1.27')), 'deny')
  t.equal(markOf([rule('pkg:oci/nginx@1.27')], image(digest, '')), 'none', 'nobody knows its tag')
  t.equal(markOf([rule(`pkg:oci/nginx@${digest}`)], image(digest, '')), 'deny')
  t.equal(markOf([rule('pkg:oci/library/nginx')], image('', '')), 'deny', 'its layers as well')
  t.equal(markOf([rule('pkg:oci/other/nginx')], image('', '1.27')), 'none')
  t.equal(markOf([rule('pkg:oci/library/*')], image('', '1.27')), 'deny')
  t.equal(markOf([rule('pkg:oci/registry.example.com/*')], image('', '1.27')), 'deny')
})

t.test('a rule holds for the tenants, routes and keys that it names, until it expires', async (t) => {
  const question = ask('npm', 'a', '1.0.0', { key: 'k1' })
  t.equal(markOf([rule('pkg:npm/a', { tenants: ['acme'], routes: ['npm'] })], question), 'deny')
  t.equal(markOf([rule('pkg:npm/a', { tenants: ['acme'], routes: ['other'] })], question), 'none')
  t.equal(markOf([rule('pkg:npm/a', { tenants: ['other'] })], question), 'none')
  t.equal(markOf([rule('pkg:npm/a', { tenants: ['acme'] })], ask('npm', 'a', '1', { tenant: '' })), 'none')
  t.equal(markOf([rule('pkg:npm/a', { keys: ['k2', 'k1'] })], question), 'deny')
  t.equal(markOf([rule('pkg:npm/a', { expiresAtMs: 1001 })], question), 'deny')
  t.equal(markOf([rule('pkg:npm/a', { expiresAtMs: 1000 })], question), 'none')
  t.equal(markOf([rule('pkg:npm/a', { state: 'disabled' })], question), 'none')
  t.equal(markOf([rule('pkg:npm/a', { action: 'of_tomorrow' })], question), 'none')
})

t.test(
  'the highest priority decides, then deny before warn before allow; a dry run decides nothing',
  async (t) => {
    const question = ask('npm', 'a', '1.0.0')
    const deny = rule('pkg:npm/a')
    t.equal(markOf([deny, rule('pkg:npm/*', { action: 'allow', priority: 200 })], question), 'allow')
    t.equal(markOf([deny, rule('pkg:npm/*', { action: 'allow' })], question), 'deny')
    t.equal(
      markOf([rule('pkg:npm/a', { action: 'warn' }), rule('pkg:npm/a', { action: 'allow' })], question),
      'warn',
    )
    const trial = rule('pkg:npm/a', { isDryRun: true })
    t.equal(markOf([trial], question), 'would_deny')
    t.equal(markOf([trial, rule('pkg:npm/a', { action: 'allow' })], question), 'would_deny')
    t.equal(markOf([trial, rule('pkg:npm/a', { action: 'allow', priority: 200 })], question), 'allow')
    t.equal(
      markOf([trial, rule('pkg:npm/a', { priority: 1 })], question),
      'deny',
      'what is denied is told so',
    )
  },
)

t.test('what a rule cannot mean is refused, and said where', async (t) => {
  const refused = (text: string, expected: RegExp): void => {
    t.throws(() => readRulePackage(text, TYPES), expected, text)
  }
  refused('left-pad', /package URL/)
  refused('pkg:npm/', /name of the package/)
  refused('pkg:nmp/left-pad', /a type of which there are packages/)
  refused('pkg:npm/left-pad@banana', /character 18: expected a version as npm packages have/)
  refused('pkg:npm/left-pad@>=banana', /a range of versions/)
  refused('pkg:git/example.com/a/b@>=1.0', /no order/)
  refused('pkg:npm/left-pad@vers:pypi/>=1', /npm, which is the package's type/)
  refused('pkg:npm/left-pad?arch=x', /no qualifier arch/)
  refused(`pkg:npm/${'a'.repeat(513)}`, /a name of at most 512 characters/)
  refused(`pkg:golang/${'é'.repeat(400)}`, /at most 2100 characters, as a package URL writes them/)
  t.equal(readRulePackage('pkg:npm/*', TYPES).isEverything, true)
  t.equal(readRulePackage('pkg:npm/@*/*@1.0.0', TYPES).isEverything, true)
  t.equal(readRulePackage('pkg:npm/@corp/*', TYPES).isEverything, false)
  t.match(reasonProblem(' '), /empty/)
  t.match(reasonProblem('a\nb'), /one line/)
  t.match(reasonProblem('x'.repeat(501)), /501/)
})

t.test('the package of a rule is read again as it was written', async () => {
  const part = fc.string({
    unit: fc.constantFrom('a', 'B', '1', '*', '-', '.', '_', '%40', '%2F', ' '),
    minLength: 1,
  })
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), part, part, (type, name, version) => {
      try {
        const once = readRulePackage(`pkg:${type}/x${name}@1${version}`, TYPES)
        const again = readRulePackage(once.package, TYPES)
        return again.package === once.package && again.lookUp === once.lookUp
      } catch (error) {
        return error instanceof QueryError && error.message.startsWith('at character')
      }
    }),
  )
})

t.test('a change of the book equals the book of what is in force, whatever the order', async (t) => {
  const change = fc.record({
    id: fc.integer({ min: 1, max: 6 }),
    state: fc.constantFrom('active' as const, 'disabled' as const, 'removed' as const),
    name: fc.constantFrom('a', 'b', '*'),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      let present = EMPTY_RULES
      const last = new Map<string, RuleRecord>()
      for (const [version, { id, state, name }] of changes.entries()) {
        const old = last.get(`r${id}`)
        const next = { ...(old ?? rule(`pkg:npm/${name}`, { id: `r${id}` })), state, version: version + 1 }
        last.set(`r${id}`, next)
        const update = new RuleShardsUpdate(present, false)
        update.add(next)
        present = update.finish()
        if (update.isContradicted) return false
      }
      const fresh = book(...last.values())
      return (
        fresh.count === present.count &&
        ['a', 'b'].every((name) => {
          const question = ask('npm', name, '1.0.0')
          return judge(present, question)?.rule.id === judge(fresh, question)?.rule.id
        })
      )
    }),
  )
  const update = new RuleShardsUpdate(book(rule('pkg:npm/a', { id: 'r1', version: 5 })), false)
  update.add(rule('pkg:npm/b', { id: 'r1', version: 4 }))
  t.equal(update.isContradicted, true, 'what is behind is another database')
  t.equal(judge(update.finish(), ask('npm', 'a', '1'))?.mark, 'deny')
})

t.test(
  'a look-up costs the same with 100,000 rules, and a change of one copies no more than two shards',
  async (t) => {
    const update = new RuleShardsUpdate(null, true)
    for (let i = 0; i < 100_000; i++)
      update.add({
        ...rule('pkg:npm/x'),
        id: `r${i}`,
        lookUp: `package-${i}`,
        package: `pkg:npm/package-${i}@1.0.0`,
      })
    const large = update.finish()
    t.equal(large.count, 100_000)
    t.equal(large.named('npm', 'package-77777').length, 1, 'one rule is looked at')
    t.equal(large.patterns('npm').length, 0)
    t.equal(judge(large, ask('npm', 'package-77777', '1.0.0'))?.mark, 'deny')
    const next = new RuleShardsUpdate(large, false)
    next.add({
      ...rule('pkg:npm/x'),
      id: 'r5',
      lookUp: 'package-5',
      package: 'pkg:npm/package-5',
      version: 2,
    })
    const after = next.finish()
    const copied = after.index.shards.filter((shard, i) => shard !== large.index.shards[i]).length
    t.equal(copied, 1)
    t.equal(after.byId.shards.filter((shard, i) => shard !== large.byId.shards[i]).length, 1)
  },
)
