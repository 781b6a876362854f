import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../lib/time/clock.ts'
import type { RuleRecord } from '../model/rules/rule.ts'
import { testRule } from '../test/rules/rules.ts'
import { KeptDirectory } from './kept-directory.ts'
import { type DirectorySnapshot, SnapshotUpdate } from './snapshot.ts'

const NOW_MS = 1_700_000_000_000
let keepers = 0

function snapshotOf(rules: readonly RuleRecord[] | undefined, base: DirectorySnapshot | null = null) {
  const update = new SnapshotUpdate(base, base === null, new Map())
  update.add({ tenants: [], keys: [], ...(rules !== undefined && { rules }) })
  return update.finish()
}

function folderOf(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'waybill-kept-rules-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  return join(root, 'directory')
}

function keeperOf(folder: string, run = 'run'): KeptDirectory {
  const tell = (): void => {}
  return new KeptDirectory({
    folder,
    target: 'db',
    run,
    instance: `instance-${++keepers}`,
    isWriter: true,
    maxAgeMs: 1e9,
    log: { debug: tell, info: tell, warn: tell },
    clockOffsetMs: () => 0,
    wall: () => NOW_MS,
    clock: { ...systemClock, nowMs: () => NOW_MS },
  })
}

async function keep(folder: string, snapshot: DirectorySnapshot): Promise<void> {
  const keeper = keeperOf(folder)
  keeper.applied({ snapshot, origin: 'server/1', contactAtMs: NOW_MS, contactTick: NOW_MS })
  await keeper.stop()
}

const recalledRules = async (folder: string) => {
  const recalled = await keeperOf(folder, 'next').recall()
  if (recalled === null) throw new Error('not recalled')
  return recalled.snapshot.rules
}

t.test('rules are kept whole, and that there are none is known as well', async (t) => {
  const folder = folderOf(t)
  const rules = [
    testRule('pkg:npm/left-pad@1.3.0', { tenants: ['acme'], reference: 'GHSA-1', expiresAtMs: 5 }),
    testRule('pkg:npm/@corp/*', { state: 'disabled' }),
  ]
  await keep(folder, snapshotOf(rules))
  const found = await recalledRules(folder)
  t.match(
    [...(found?.byId.values() ?? [])].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    rules,
  )
  t.equal(found?.count, 1)
  await keep(folder, snapshotOf([]))
  t.equal((await recalledRules(folder))?.count, 0)
  await keep(folder, snapshotOf(undefined))
  t.equal(await recalledRules(folder), null, 'who kept it knew no rules')
})

t.test('what became of rules after the snapshot was written is noted before it is acted on', async (t) => {
  const folder = folderOf(t)
  const [one, two] = [testRule('pkg:npm/one'), testRule('pkg:npm/two')]
  const base = snapshotOf([one, two])
  await keep(folder, base)
  const added = snapshotOf([testRule('pkg:npm/three')], base)
  await keeperOf(folder).note(base, added)
  const removed = snapshotOf([{ ...one, state: 'removed', version: 2 }], added)
  await keeperOf(folder).note(added, removed)
  const enabled = snapshotOf([{ ...two, reason: 'worse', version: 3 }], removed)
  await keeperOf(folder).note(removed, enabled)
  const found = await recalledRules(folder)
  t.equal(found?.named('npm', 'one').length, 0)
  t.match(found?.named('npm', 'two'), [{ reason: 'worse', version: 3 }])
  t.equal(found?.named('npm', 'three').length, 1)
  const other = new SnapshotUpdate(enabled, true, new Map())
  other.add({ tenants: [], keys: [], rules: [testRule('pkg:npm/four')] })
  await keeperOf(folder).note(enabled, other.finish())
  const after = await recalledRules(folder)
  t.same(
    ['one', 'two', 'three', 'four'].map((name) => after?.named('npm', name).length),
    [0, 0, 0, 1],
    'a full load that lacks a rule has removed it',
  )
})

t.test(
  'what a database that was set back says of a rule is noted, though its versions are lower',
  async (t) => {
    const folder = folderOf(t)
    const rule = testRule('pkg:npm/one', { state: 'disabled', version: 5 })
    const base = snapshotOf([rule])
    await keep(folder, base)
    const full = new SnapshotUpdate(base, true, new Map())
    full.add({ tenants: [], keys: [], rules: [{ ...rule, state: 'active', version: 2 }] })
    const restored = full.finish()
    await keeperOf(folder).note(base, restored)
    const named = async () => (await recalledRules(folder))?.named('npm', 'one')
    t.match(await named(), [{ state: 'active', version: 2 }])
    await keeperOf(folder).note(restored, snapshotOf([{ ...rule, reason: 'worse', version: 3 }], restored))
    t.equal((await named())?.length, 0, 'and what is decided from there on')
  },
)

t.test('a note of a process that is behind does not undo one that is newer', async (t) => {
  const folder = folderOf(t)
  const rule = testRule('pkg:npm/one')
  const base = snapshotOf([rule])
  await keep(folder, base)
  const [two, three] = [
    snapshotOf([{ ...rule, state: 'disabled', version: 2 }], base),
    snapshotOf([{ ...rule, version: 3 }], base),
  ]
  await keeperOf(folder).note(base, three)
  await keeperOf(folder).note(base, two)
  t.match((await recalledRules(folder))?.named('npm', 'one'), [{ version: 3 }])
})

t.test('a snapshot that lacks one of its rules is not used', async (t) => {
  const folder = folderOf(t)
  await keep(folder, snapshotOf([testRule('pkg:npm/one')]))
  const file = join(folder, 'snapshot')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"rules":1', '"rules":2'))
  t.equal(await keeperOf(folder, 'next').recall(), null)
})
