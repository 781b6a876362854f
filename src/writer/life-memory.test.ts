import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Batch } from './batch/batch.ts'
import { LifeMemory } from './life-memory.ts'
import { RememberingStore } from '../writer/database/remembering-store.ts'
import type { Owners } from '../spool/spool-owner.ts'
import { FakeClock, NOON_MS } from '../test/clock.ts'
import { entryOf, FakeStore, sealedBatch } from '../test/writer-parts.ts'

const LOG = randomUUID()

/** Owners that are dead, but for these processes. */
function ownersWith(alive: readonly string[] = []): Owners {
  return {
    us: () => Promise.resolve({ pid: 1, host: 'h', space: '', started: '' }),
    isAlive: (_files, path) => Promise.resolve(alive.some((writer) => path.includes(`.${writer}.`))),
  }
}

function memoryIn(directory: string, options: { writer?: string; alive?: string[] } = {}): LifeMemory {
  const { writer = randomUUID(), alive = [] } = options
  return new LifeMemory({ directory, writer, host: 'gw-1', owners: ownersWith(alive) })
}

const batchOf = (instance: string, number: number, atMs = NOON_MS): Batch =>
  sealedBatch([entryOf({ startedAtMs: atMs })], { instance, number, acceptedSeq: number * 10, buffered: 3 })

const folderOf = (t: Test): string => join(t.testdir({}), 'lives')

t.test('D5: remembers the last batch that was stored, and nothing else', async (t) => {
  const directory = folderOf(t)
  const life = randomUUID()
  const memory = memoryIn(directory, { writer: life })
  await memory.write(LOG)
  await t.rejects(stat(directory), { code: 'ENOENT' }, 'no file before there is something to remember')
  const last = batchOf(life, 3, NOON_MS + 5000)
  for (const batch of [batchOf(life, 1), last, batchOf(life, 2, NOON_MS - 5000)]) memory.acknowledge(batch)
  await memory.write(LOG)
  const [name = ''] = await readdir(directory)
  t.same(await readdir(directory), [`${life}.${life}.json`], 'no draft is left')
  t.equal((await stat(join(directory, name))).mode & 0o777, 0o600)
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  t.ok((await stat(join(directory, name))).size < 1024)
  const remembered = {
    instance: life,
    host: 'gw-1',
    batch: 3,
    digest: last.digest.toString('hex'),
    settled: 27,
    firstAtMs: NOON_MS - 5000,
    lastAtMs: NOON_MS + 5000,
  }
  const heir = memoryIn(directory)
  t.same(await heir.read(LOG, randomUUID()), { lives: [remembered], others: 0 })
  t.same(await heir.read(randomUUID(), randomUUID()), { lives: [], others: 1 }, 'of one log')
  t.same(await memory.read(LOG, life), { lives: [], others: 0 }, 'of others only')
})

t.test('D5: lives of processes that live are not told of, those that were inherited are', async (t) => {
  const directory = folderOf(t)
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()]
  const dead = memoryIn(directory, { writer: a })
  dead.acknowledge(batchOf(a, 2))
  await dead.write(LOG)
  const living = memoryIn(directory, { writer: b })
  // From its spill.
  for (const batch of [batchOf(a, 5), batchOf(b, 1)]) living.acknowledge(batch)
  await living.write(LOG)
  const heir = memoryIn(directory, { writer: c, alive: [b] })
  t.match(await heir.read(LOG, c), { lives: [{ instance: a, batch: 2 }] })
  t.match(await living.read(LOG, b), { lives: [{ instance: a, batch: 5 }] })
  t.same((await heir.read(LOG, c, true)).lives.length, 2, 'unless those that live are asked for')
  const { lives } = await memoryIn(directory).read(LOG, c)
  t.same(
    new Set(lives.map(({ instance, batch }) => `${instance} ${batch}`)),
    new Set([`${a} 5`, `${b} 1`]),
    'the most that any of them knows',
  )
})

t.test('D5: what is no memory is passed over, and there are no more than 256', async (t) => {
  const directory = folderOf(t)
  const good = randomUUID()
  const memory = memoryIn(directory, { writer: good })
  memory.acknowledge(batchOf(good, 1))
  await memory.write(LOG)
  const text = await readFile(join(directory, `${good}.${good}.json`), 'utf8')
  const nameOf = (): string => join(directory, `${randomUUID()}.${randomUUID()}.json`)
  for (const bad of [
    '',
    '{',
    'null',
    '[]',
    text.replace(/"batch":1/, '"batch":-1'),
    text.replace('"digest":"', '"digest":"x'),
    text + ' '.repeat(5000),
    text.replace(good, `${good}'`),
  ])
    await writeFile(nameOf(), bad)
  await mkdir(nameOf())
  await symlink('/dev/zero', nameOf())
  const draft = join(directory, `${good}.${good}.json.tmp`)
  await writeFile(draft, '{')
  await utimes(draft, 1, 1)
  const unreadable = nameOf()
  await writeFile(unreadable, text)
  await chmod(unreadable, 0)
  t.match(await memoryIn(directory).read(LOG, randomUUID()), { lives: [{ instance: good }], others: 0 })
  t.notOk((await readdir(directory)).includes(`${good}.${good}.json.tmp`), 'an old draft is removed')
  const old = Array.from({ length: 300 }, () => nameOf())
  for (const path of old) {
    await writeFile(path, '{}')
    await utimes(path, 1, 1)
  }
  t.match(await memoryIn(directory).read(LOG, randomUUID()), { lives: [{ instance: good }] })
  const files = (await readdir(directory, { withFileTypes: true })).filter((each) => each.isFile())
  t.equal(files.length, 256, 'the oldest go')
})

t.test('D5: a write that failed is made up for', async (t) => {
  const directory = join(t.testdir({ file: '' }), 'file')
  const memory = memoryIn(directory)
  const life = randomUUID()
  memory.acknowledge(batchOf(life, 1))
  await t.rejects(memory.write(LOG))
  await t.rejects(memory.write(LOG), 'still owed')
})

t.test('D5: memory of many lives is bounded', async (t) => {
  const memory = memoryIn(folderOf(t))
  const lives = Array.from({ length: 100 }, () => randomUUID())
  for (const life of lives) {
    memory.acknowledge(batchOf(life, 1))
    await memory.write(LOG)
  }
  t.equal(lives.filter((life) => memory.latest(life) !== null).length, 64)
  t.equal(memory.latest(lives.at(-1) ?? '')?.batch, 1)
})

t.test('D5: a store tells of what the ledger has, and only of that', async (t) => {
  const store = new FakeStore(new FakeClock())
  const told: Batch[] = []
  const remembering = new RememberingStore(store, (batch) => told.push(batch))
  const life = randomUUID()
  const [a, b, c] = [batchOf(life, 1), batchOf(life, 2), batchOf(life, 3)]
  await remembering.store(a)
  await remembering.store(b, [c])
  t.same(told, [a, b, c])
  await remembering.store(a)
  t.equal(told.length, 4, 'stored already')
  await remembering.store(a, [b])
  t.equal(told.length, 4, 'which of them is not known')
  t.equal((await remembering.storedAmong([a, b])).size, 2)
  t.equal(told.length, 6)
  store.script.push('refuse')
  await t.rejects(remembering.store(batchOf(life, 4)))
  t.equal(told.length, 6)
  const foreign = { state: 'stored', rows: 1, isForeign: true } as const
  store.store = () => Promise.resolve(foreign)
  t.same(await remembering.store(batchOf(life, 5)), foreign)
  t.equal(told.length, 6, 'under another id')
})
