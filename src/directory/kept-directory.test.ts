import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { chownSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, asyncProperty, boolean, constantFrom, integer, record } from 'fast-check'
import t, { type Test } from 'tap'
import { systemClock } from '../lib/time/clock.ts'
import type { TenantGrant } from '../model/grant.ts'
import { tenantOf } from '../test/grants.ts'
import type { KeyRecord } from './directory-source.ts'
import type { RecalledSnapshot } from './directory-keeper.ts'
import { KeptDirectory, type KeptDirectoryParts } from './kept-directory.ts'
import { readTenantLine, tenantLine } from './kept-format.ts'
import { type DirectorySnapshot, SnapshotUpdate } from './snapshot.ts'

const DAY_MS = 86_400_000
const NOW_MS = 1_700_000_000_000

function tenant(slug: string, changes: Partial<TenantGrant> = {}): TenantGrant {
  const usual = { rateLimit: { perSecond: 2, burst: 3 }, maxConcurrency: 4, logPolicy: 'strict' } as const
  return tenantOf({ slug, ...usual, ...changes })
}

function key(digest: string, changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id: `id-${digest}`,
    digest,
    tenant: 'acme',
    scopes: 'npm:read *:write',
    networks: '10.0.0.0/8',
    rateLimit: null,
    expiresAtMs: null,
    isRevoked: false,
    version: 1,
    ...changes,
  }
}

function snapshotOf(
  rows: { tenants?: TenantGrant[]; keys?: KeyRecord[] },
  base: DirectorySnapshot | null = null,
): DirectorySnapshot {
  const update = new SnapshotUpdate(base, base === null, new Map())
  update.add({ tenants: rows.tenants ?? [], keys: rows.keys ?? [] })
  return update.finish()
}

/** A folder and its keepers on a clock that the test turns. */
class Scene {
  readonly folder: string
  readonly lines: { code?: string; message: string }[] = []
  nowMs = NOW_MS
  behindMs = 0
  /** This machine's clock minus the database's. */
  offsetMs = 0
  #instances = 0

  constructor(t: Test) {
    const root = mkdtempSync(join(tmpdir(), 'waybill-kept-'))
    this.folder = join(root, 'directory')
    t.teardown(() => rmSync(root, { recursive: true }))
  }

  keeper(changes: Partial<KeptDirectoryParts> = {}): KeptDirectory {
    const record = (fields: object, message: string) => void this.lines.push({ ...fields, message })
    return new KeptDirectory({
      folder: this.folder,
      target: 'db 5432 waybill',
      run: 'run',
      instance: `instance-${++this.#instances}`,
      isWriter: true,
      maxAgeMs: DAY_MS,
      log: { debug: record, info: record, warn: record },
      clockOffsetMs: () => this.offsetMs,
      onBehind: (ms) => void (this.behindMs = ms),
      wall: () => this.nowMs + this.offsetMs,
      clock: { ...systemClock, nowMs: () => this.nowMs },
      ...changes,
    })
  }

  /** Has a keeper write, as a gateway that stops does. */
  async keep(snapshot: DirectorySnapshot, changes: Partial<KeptDirectoryParts> = {}): Promise<void> {
    const keeper = this.keeper(changes)
    this.tell(keeper, snapshot)
    await keeper.stop()
  }

  tell(keeper: KeptDirectory, snapshot: DirectorySnapshot, origin = 'server/1'): void {
    keeper.applied({ snapshot, origin, contactAtMs: this.nowMs, contactTick: this.nowMs })
  }

  recall(changes: Partial<KeptDirectoryParts> = {}): Promise<RecalledSnapshot | null> {
    return this.keeper({ run: 'next', ...changes }).recall()
  }

  get codes(): (string | undefined)[] {
    return this.lines.map(({ code }) => code)
  }

  file(name: string): string {
    return join(this.folder, name)
  }
}

const SOME = {
  tenants: [tenant('acme'), tenant('beta', { state: 'suspended' })],
  keys: [key('aa'), key('bb')],
}

t.test('D14: what was kept is recalled whole, with its age, for the owner alone to read', async (t) => {
  const scene = new Scene(t)
  t.equal(await scene.recall(), null, 'nothing is there yet')
  await scene.keep(snapshotOf({ ...SOME, keys: [...SOME.keys, key('cc', { expiresAtMs: NOW_MS + 5 })] }))
  scene.nowMs += 90_000
  const recalled = await scene.recall()
  t.match(recalled, { ageMs: 90_000, origin: 'server/1', maxAgeMs: DAY_MS })
  if (recalled === null) throw new Error('not recalled')
  const { snapshot } = recalled
  t.equal(snapshot.keyCount, 3)
  t.match(snapshot.tenants.get('acme'), { state: 'active', maxConcurrency: 4, logPolicy: 'strict' })
  t.equal(snapshot.tenants.get('beta')?.state, 'suspended')
  t.match(snapshot.keyByDigest('aa'), {
    id: 'id-aa',
    tenant: 'acme',
    isRevoked: false,
    expiresAtMs: Infinity,
  })
  t.equal(snapshot.keyByDigest('aa')?.networks?.check('10.1.1.1'), true)
  t.equal(snapshot.keyByDigest('cc')?.expiresAtMs, NOW_MS + 5, 'expiry acts as ever')
  t.equal(statSync(scene.folder).mode & 0o777, 0o700)
  t.strictSame(readdirSync(scene.folder).sort(), ['contact', 'snapshot'])
  for (const name of readdirSync(scene.folder)) t.equal(statSync(scene.file(name)).mode & 0o777, 0o600, name)
})

t.test('a tenant kept by another version is read: a setting that it did not know is initial', async (t) => {
  const line =
    't{"slug":"acme","state":"suspended","rateLimit":{"perSecond":2.5,"burst":3},"routeRateLimits":{"npm":' +
    '{"perSecond":1,"burst":1}},"maxConcurrency":4,"logPolicy":"strict","version":7}'
  const kept = readTenantLine(line)
  t.equal(tenantLine(kept), `${line}\n`, 'and written again as it was')
  t.match(kept, { state: 'suspended', maxConcurrency: 4, logPolicy: 'strict', version: 7 })
  const older = readTenantLine('t{"slug":"acme","state":"active","rateLimit":null,"version":1}')
  t.same(older, tenantOf())
})

t.test('D14: a snapshot that cannot be trusted is not used, and the log says why', async (t) => {
  const spoil: Record<string, (scene: Scene) => void> = {
    corrupt: (scene) => {
      const text = readFileSync(scene.file('snapshot'), 'utf8')
      writeFileSync(scene.file('snapshot'), text.replace('"isRevoked":false', '"isRevoked":true '))
    },
    'corrupt ': (scene) => {
      const bytes = readFileSync(scene.file('snapshot'))
      writeFileSync(scene.file('snapshot'), bytes.subarray(0, bytes.length - 80))
    },
    'corrupt  ': (scene) => writeFileSync(scene.file('changes'), '\n1234 ["k","aa",2,"rev', { mode: 0o600 }),
    future: (scene) => void (scene.nowMs -= 60_000),
    too_old: (scene) => void (scene.nowMs += DAY_MS + 1),
    permissions: (scene) => chmodSync(scene.file('snapshot'), 0o640),
    'permissions ': (scene) => chmodSync(scene.folder, 0o770),
    ELOOP: (scene) => {
      renameSync(scene.file('snapshot'), scene.file('elsewhere'))
      symlinkSync(scene.file('elsewhere'), scene.file('snapshot'))
    },
    not_a_folder: (scene) => {
      renameSync(scene.folder, `${scene.folder}2`)
      symlinkSync(`${scene.folder}2`, scene.folder)
    },
    EISDIR: (scene) => {
      rmSync(scene.file('snapshot'))
      mkdirSync(scene.file('snapshot'))
    },
    ...(process.geteuid?.() === 0 && {
      owner: (scene: Scene) => chownSync(scene.file('snapshot'), 65_534, 65_534),
    }),
  }
  for (const [name, act] of Object.entries(spoil)) {
    const scene = new Scene(t)
    await scene.keep(snapshotOf(SOME))
    t.not(await scene.recall(), null, `${name}: it was fine`)
    act(scene)
    t.equal(await scene.recall(), null, name)
    const code = name.trim() === 'EISDIR' ? /EISDIR|not_a_file/ : new RegExp(`^${name.trim()}$`)
    t.match(scene.codes.at(-1), code)
  }
  const scene = new Scene(t)
  await scene.keep(snapshotOf(SOME))
  t.equal(await scene.recall({ target: 'other 5432 waybill' }), null, 'of another database')
  t.equal(scene.codes.at(-1), 'foreign')
})

t.test('D14: a revoked key does not come back, wherever the gateway was killed', async (t) => {
  const scene = new Scene(t)
  const writer = scene.keeper()
  const other = scene.keeper({ isWriter: false })
  const before = snapshotOf(SOME)
  scene.tell(writer, before)
  await scene.keep(before)
  const next = snapshotOf(
    {
      tenants: [tenant('acme', { version: 2, state: 'suspended' })],
      keys: [key('aa', { version: 2, isRevoked: true }), key('bb', { version: 2, scopes: 'npm:read' })],
    },
    before,
  )
  // Known by a worker that does not write, and nothing else happens: it was killed.
  await other.note(before, next)
  const recalled = await scene.recall()
  t.equal(recalled?.snapshot.keyByDigest('aa')?.isRevoked, true)
  t.equal(recalled?.snapshot.keyByDigest('bb'), undefined, 'one that lost a scope is not known')
  t.equal(recalled?.snapshot.tenants.get('acme')?.state, 'suspended')
})

t.test('D14: a tenant that is resumed is resumed on disk; a key that is dropped is not known', async (t) => {
  const scene = new Scene(t)
  let present = snapshotOf(SOME)
  await scene.keep(present)
  for (const [version, state] of [
    [2, 'suspended'],
    [3, 'active'],
  ] as const) {
    const next = snapshotOf({ tenants: [tenant('acme', { version, state })] }, present)
    await scene.keeper({ isWriter: false }).note(present, next)
    present = next
  }
  const full = snapshotOf({ tenants: [tenant('acme', { version: 3 })], keys: [key('bb')] })
  await scene.keeper({ isWriter: false }).note(present, full)
  const recalled = await scene.recall()
  t.equal(recalled?.snapshot.tenants.get('acme')?.state, 'active')
  t.equal(recalled?.snapshot.keyByDigest('aa'), undefined)
  t.ok(recalled?.snapshot.keyByDigest('bb'))
})

t.test('D14: what is taken away and cannot be noted ends the snapshot', async (t) => {
  const scene = new Scene(t)
  const before = snapshotOf(SOME)
  await scene.keep(before)
  mkdirSync(scene.file('changes'))
  const keeper = scene.keeper({ isWriter: false })
  await keeper.note(before, snapshotOf({ keys: [key('aa', { version: 2, isRevoked: true })] }, before))
  rmSync(scene.file('changes'), { recursive: true })
  t.equal(await scene.recall(), null)
  t.equal(keeper.failures, 1)
})

t.test('D14: a first load ends the snapshot of an earlier run, and not that of this one', async (t) => {
  const scene = new Scene(t)
  const snapshot = snapshotOf(SOME)
  await scene.keep(snapshot)
  await scene.keeper().note(null, snapshot)
  t.not(await scene.recall(), null, 'a worker that was replaced')
  await scene.keeper({ run: 'next' }).note(null, snapshot)
  t.equal(await scene.recall(), null, 'nobody has noted what was taken away between the runs')
})

t.test('D14: an unchanged snapshot stays young, and notes that it holds are forgotten', async (t) => {
  const scene = new Scene(t)
  const keeper = scene.keeper()
  const before = snapshotOf(SOME)
  const next = snapshotOf({ keys: [key('aa', { version: 2, isRevoked: true })] }, before)
  const turns = async (snapshot: DirectorySnapshot): Promise<void> => {
    scene.tell(keeper, snapshot)
    await keeper.written()
    scene.nowMs += 11_000
  }
  await turns(before)
  const { ino } = statSync(scene.file('snapshot'))
  await turns(before)
  t.equal(statSync(scene.file('snapshot')).ino, ino, 'not written again')
  t.equal((await scene.recall())?.ageMs, 11_000)
  await keeper.note(before, next)
  t.ok(readdirSync(scene.folder).includes('changes'))
  for (let i = 0; i < 4; i++) {
    await turns(next)
    t.equal((await scene.recall())?.snapshot.keyByDigest('aa')?.isRevoked, true)
  }
  t.strictSame(readdirSync(scene.folder).sort(), ['contact', 'snapshot'])
  await keeper.stop()
})

t.test('D14: of two gateways on one folder one writes, and the other when that one is silent', async (t) => {
  const scene = new Scene(t)
  const snapshot = snapshotOf(SOME)
  const [a, b] = [scene.keeper(), scene.keeper()]
  const writerOf = (): string =>
    /"writer":"([^"]*)"/.exec(readFileSync(scene.file('contact'), 'utf8'))?.[1] ?? ''
  scene.tell(a, snapshot)
  await a.written()
  for (let i = 0; i < 3; i++) {
    scene.tell(b, snapshot)
    await b.written()
    t.equal(writerOf(), 'instance-1')
    scene.nowMs += 11_000
    scene.tell(a, snapshot)
    await a.written()
  }
  for (let i = 0; i < 2; i++) {
    scene.tell(b, snapshot)
    await b.written()
    scene.nowMs += 11_000
  }
  t.equal(writerOf(), 'instance-2')
})

t.test('D14: a clock that is wrong makes nothing younger', async (t) => {
  // Behind the database's by a minute when it was written, and ever since; and set right meanwhile.
  for (const [then, now, age, behind] of [
    [-60_000, -60_000, 10_000, 60_000],
    [-60_000, 0, 70_000, 60_000],
    [60_000, 60_000, 70_000, 0],
    [0, -3000, 7000, 0],
  ] as const) {
    const scene = new Scene(t)
    scene.offsetMs = then
    await scene.keep(snapshotOf(SOME))
    scene.offsetMs = now
    scene.nowMs += 10_000
    const recalled = await scene.recall()
    t.same([recalled?.ageMs, scene.behindMs], [age, behind], `${then} and ${now}`)
  }
})

t.test('D14: whatever was taken away, and whoever noted it, nothing is given back', async () => {
  const change = record({
    name: constantFrom('aa', 'bb', 'cc'),
    isRevoked: boolean(),
    scopes: constantFrom('npm:read', 'npm:read *:write'),
    isWritten: boolean(),
    worker: integer({ min: 0, max: 1 }),
    gapMs: integer({ min: 0, max: 12_000 }),
  })
  await assert(
    asyncProperty(array(change, { maxLength: 8 }), async (changes) => {
      let teardown = (): void => {}
      const scene = new Scene({ teardown: (run: () => void) => void (teardown = run) } as unknown as Test)
      const keepers = [scene.keeper(), scene.keeper({ isWriter: false })]
      let present = snapshotOf({
        tenants: [tenant('acme')],
        keys: ['aa', 'bb', 'cc'].map((name) => key(name)),
      })
      const [writer] = keepers
      if (writer === undefined) throw new Error('no writer')
      scene.tell(writer, present)
      await writer.written()
      for (const [i, { name, isRevoked, scopes, isWritten, worker, gapMs }] of changes.entries()) {
        const was = present.keyByDigest(name)
        const next = snapshotOf(
          { keys: [key(name, { version: i + 2, scopes, isRevoked: isRevoked || was?.isRevoked === true })] },
          present,
        )
        await keepers[worker]?.note(present, next)
        present = next
        scene.nowMs += gapMs
        if (isWritten) {
          scene.tell(writer, present)
          await writer.written()
        }
      }
      const recalled = (await scene.recall())?.snapshot
      teardown()
      if (recalled === undefined) return false
      return ['aa', 'bb', 'cc'].every((name) => {
        const [kept, known] = [recalled.keyByDigest(name), present.keyByDigest(name)]
        if (kept === undefined) return true
        return kept.isRevoked === known?.isRevoked && (kept.isRevoked || kept.scopeText === known.scopeText)
      })
    }),
    { numRuns: 20 },
  )
})
