import { once } from 'node:events'
import { fork } from 'node:child_process'
import { mkdir, readdir, readFile, utimes, truncate, writeFile } from 'node:fs/promises'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Batch } from '../writer/batch/batch.ts'
import { Spill, type SpillOptions } from '../writer/spill/spill.ts'
import type { Spilled } from '../writer/spill/spill.ts'
import { type SpoolFiles, systemFiles } from './spool-files.ts'
import { FakeClock, settle } from '../test/clock.ts'
import { entryOf, INSTANCE, rowsOf, sealedBatch } from '../test/writer-parts.ts'

const OTHER = '0190a1b2-c3d4-7e5f-8a9b-ffffffffffff'
const THIRD = '0190a1b2-c3d4-7e5f-8a9b-eeeeeeeeeeee'
/** Syncing is slow, and changes nothing that these tests look at. */
const UNSYNCED: SpoolFiles = { ...systemFiles, syncDirectory: async () => {} }
const ALL = { entries: 1e6, bytes: 1e9 }

interface Line {
  readonly fields: object
  readonly message: string
}

function spillOf(t: Test, options: Partial<SpillOptions> & { lines?: Line[] } = {}) {
  const directory = options.directory ?? freshDirectory(t)
  const tell = (fields: object, message: string): void => void options.lines?.push({ fields, message })
  const spill = new Spill({
    directory,
    instance: INSTANCE,
    maxBytes: 1e8,
    syncIntervalMs: 100,
    logger: { info: tell, warn: tell, error: tell },
    ...options,
  })
  t.teardown(() => spill.close())
  return { spill, directory }
}

function freshDirectory(t: Test): string {
  const parent = mkdtempSync(join(tmpdir(), 'waybill-spill-'))
  t.teardown(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'spill')
}

function numbered(number: number, entries = 2, instance = INSTANCE): Batch {
  const rows = Array.from({ length: entries }, (_, i) =>
    entryOf({ path: `/${number}/${i}`, tenant: 'a\0é\ud800' }),
  )
  return sealedBatch(rows, { number, instance, dropped: { __proto__x: { channel_full: 3 } } })
}

/** Maps and objects without a prototype, made comparable. */
function plain(batch: Batch): object {
  return { ...batch, tenants: [...batch.tenants], dropped: JSON.stringify(batch.dropped) }
}

async function pending(spill: Spill): Promise<Spilled[]> {
  const all: Spilled[] = []
  for (;;) {
    const some = await spill.oldest(ALL)
    if (some.length === 0) return all
    for (const each of some) spill.settle(each)
    all.push(...some)
  }
}

async function numbers(spill: Spill): Promise<number[]> {
  return (await pending(spill)).map(({ frame }) => frame.batch.number)
}

async function filesUnder(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true }).catch(() => [] as string[])
  return names.filter((name) => /\.(seg|damaged|json)$/.test(name)).sort()
}

/** The bytes of a segment with these batches, and where each frame begins. */
async function segmentOf(t: Test, batches: Batch[]): Promise<{ bytes: Buffer; offsets: number[] }> {
  const { spill, directory } = spillOf(t, { directory: freshDirectory(t) })
  const offsets: number[] = []
  for (const batch of batches) offsets.push((await spill.append(batch))?.frame.offset ?? -1)
  const bytes = await readFile(join(directory, INSTANCE, '1.seg'))
  return { bytes, offsets }
}

/** A directory in which a dead process has left a segment of these bytes. */
async function leftBehind(t: Test, bytes: Buffer): Promise<string> {
  const directory = freshDirectory(t)
  await mkdir(join(directory, OTHER), { recursive: true })
  await writeFile(join(directory, OTHER, '1.seg'), bytes)
  return directory
}

t.test('a batch comes back as it was, in order, and its files go when all is settled', async (t) => {
  const { spill, directory } = spillOf(t)
  t.same(await filesUnder(directory), [])
  const batches = [1, 2, 3].map((n) => numbered(n))
  for (const batch of batches) t.ok(await spill.append(batch))
  t.match(spill.stats, { segments: 1, pendingEntries: 6, batches: 3, refused: 0 })
  const found = await spill.oldest(ALL)
  t.same(
    found.map(({ frame }) => plain(frame.batch)),
    batches.map(plain),
  )
  t.same((await spill.oldest({ entries: 4, bytes: 1e9 })).length, 2, 'as many as the limits allow')
  t.same((await spill.oldest({ entries: 1, bytes: 1 })).length, 1, 'but one at least')
  const [first, second, third] = found
  if (!first || !second || !third) throw new Error('not three')
  t.equal(spill.settle(second), true, 'out of order')
  t.same(
    (await spill.oldest(ALL)).map(({ frame }) => frame.batch.number),
    [1, 3],
  )
  t.equal(spill.settle(first), true)
  t.equal(spill.settle(first), false, 'once only')
  t.same(
    (await spill.oldest(ALL)).map(({ frame }) => frame.batch.number),
    [3],
  )
  spill.settle(third)
  t.equal(spill.hasPending, false)
  await spill.rest()
  t.same(await filesUnder(directory), [])
  t.match(spill.stats, { segments: 0, bytes: 0, pendingEntries: 0 })
  t.ok(await spill.append(numbered(4)), 'and it begins anew')
})

t.test(
  'is bounded in bytes, those of other processes included, and has room again after a replay',
  async (t) => {
    const { spill, directory } = spillOf(t, { maxBytes: 20_000 })
    let taken = 0
    while ((await spill.append(numbered(taken + 1, 5))) !== null) taken++
    t.ok(taken > 5 && spill.stats.bytes <= 20_000, `${taken} batches`)
    t.match(spill.stats, { refused: 1, lastErrorCode: 'bound' })
    const second = spillOf(t, { directory, instance: OTHER, maxBytes: 20_000 }).spill
    await second.start()
    t.equal(await second.append(numbered(1, 5, OTHER)), null, 'the bound is that of the directory')
    const [first] = await spill.oldest({ entries: 1, bytes: 1 })
    if (!first) throw new Error('nothing')
    const { segment } = first
    for (const each of await spill.oldest(ALL)) spill.settle(each)
    t.equal(segment.isSettled, true)
    await settle()
    t.ok(await spill.append(numbered(taken + 1, 5)))
  },
)

t.test('a disk that is full, or broken, refuses the batch and keeps what it has', async (t) => {
  for (const code of ['ENOSPC', 'EIO', 'EROFS']) {
    let isBroken = false
    let short = 0
    const files: SpoolFiles = {
      ...systemFiles,
      async open(path, flags) {
        const file = await systemFiles.open(path, flags)
        return {
          writev: async (buffers, position) => {
            // As a file system that fills up does: some bytes, then the error.
            if (isBroken && short === 0) {
              short = 10
              return file.writev([Buffer.from(buffers[0]?.buffer ?? new ArrayBuffer(0), 0, 10)], position)
            }
            if (isBroken) throw Object.assign(new Error(code), { code })
            return file.writev(buffers, position)
          },
          read: (...args) => file.read(...args),
          datasync: () => file.datasync(),
          truncate: (bytes) => file.truncate(bytes),
          close: () => file.close(),
        }
      },
    }
    const { spill } = spillOf(t, { directory: freshDirectory(t), files })
    t.ok(await spill.append(numbered(1)))
    isBroken = true
    t.equal(await spill.append(numbered(2)), null)
    t.equal(await spill.append(numbered(2)), null)
    isBroken = false
    t.ok(await spill.append(numbered(3)))
    t.match(spill.stats, { refused: 2, lastErrorCode: code, damaged: 0 })
    t.same(await numbers(spill), [1, 3])
  }
})

t.test('syncs at most each syncIntervalMs, and goes on in another file when that fails', async (t) => {
  const clock = new FakeClock()
  let syncs = 0
  let fails = false
  const files: SpoolFiles = {
    ...systemFiles,
    async open(path, flags) {
      const file = await systemFiles.open(path, flags)
      const datasync = async (): Promise<void> => {
        syncs++
        if (fails) throw Object.assign(new Error('EIO'), { code: 'EIO' })
      }
      return {
        writev: (...args) => file.writev(...args),
        read: (...args) => file.read(...args),
        datasync,
        truncate: (bytes) => file.truncate(bytes),
        close: () => file.close(),
      }
    },
  }
  const { spill, directory } = spillOf(t, { clock, files })
  for (let i = 1; i <= 10; i++) await spill.append(numbered(i))
  t.equal(syncs, 0)
  await clock.advance(100)
  t.equal(syncs, 1)
  await clock.advance(1000)
  t.equal(syncs, 1, 'nothing new, no sync')
  fails = true
  await spill.append(numbered(11))
  await clock.advance(100)
  t.match(spill.stats, { syncFailures: 1 })
  fails = false
  await spill.append(numbered(12))
  t.equal((await filesUnder(directory)).length, 3, 'two segments and the owner')
  t.same(
    await numbers(spill),
    Array.from({ length: 12 }, (_, i) => i + 1),
  )
})

/** Every place near a frame's head or end, and some within its rows, which are all alike. */
function isTelling(at: number, offsets: readonly number[]): boolean {
  return at % 7 === 0 || offsets.some((offset) => Math.abs(at - offset) <= 72)
}

t.test('a segment cut off at any byte gives every frame before the cut, and none of the rest', async (t) => {
  const { bytes, offsets } = await segmentOf(t, [numbered(1, 1), numbered(2, 1), numbered(3, 1)])
  for (let length = 0; length < bytes.length; length++) {
    if (!isTelling(length, offsets)) continue
    const directory = await leftBehind(t, bytes.subarray(0, length))
    const { spill } = spillOf(t, { directory, files: UNSYNCED })
    await spill.start()
    const whole = offsets.filter((_, i) => (offsets[i + 1] ?? bytes.length) <= length).length
    const found = await numbers(spill)
    const isAtFrame = offsets.includes(length)
    if (found.length !== whole || spill.stats.torn !== (isAtFrame ? 0 : 1) || spill.stats.damaged !== 0) {
      t.fail(`cut at ${length}`, { found, stats: spill.stats, offsets })
    }
    await spill.close()
    if ((await filesUnder(directory)).length > 0) t.fail(`files left after a cut at ${length}`)
  }
  t.equal(offsets.length, 3)
})

t.test('a flipped byte costs the frame that it is in, which is told and kept aside', async (t) => {
  const batches = [numbered(1, 1), numbered(2, 1), numbered(3, 1)]
  const { bytes, offsets } = await segmentOf(t, batches)
  const second = offsets[1] ?? 0
  const third = offsets[2] ?? 0
  for (let at = second; at < third; at++) {
    if (!isTelling(at, offsets)) continue
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
    const directory = await leftBehind(t, damaged)
    const lines: Line[] = []
    const { spill } = spillOf(t, { directory, lines, files: UNSYNCED })
    await spill.start()
    const found = await numbers(spill)
    await spill.close()
    const left = await filesUnder(directory)
    const isKept = left.length === 1 && left[0]?.endsWith('.seg.damaged') === true
    const isTold = lines.some(({ message }) => message.includes('damaged'))
    if (found.join() !== '1,3' || spill.stats.damaged !== 1 || !isKept || !isTold) {
      t.fail(`byte ${at}`, { found, left, stats: spill.stats })
    }
    const kept = await readFile(join(directory, left[0] ?? ''))
    if (!kept.equals(damaged)) t.fail('what is kept aside is not what was there')
  }
  t.ok(third > second)
})

t.test('takes over the segments of the dead, never those of the living, and each once', async (t) => {
  const directory = freshDirectory(t)
  const alive = spillOf(t, { directory, instance: THIRD }).spill
  await alive.append(numbered(1, 1, THIRD))
  const { bytes } = await segmentOf(t, [numbered(7, 1, OTHER), numbered(8, 1, OTHER)])
  await mkdir(join(directory, OTHER), { recursive: true })
  for (const n of [1, 2, 10]) await writeFile(join(directory, OTHER, `${n}.seg`), bytes)
  // A pid that lives, but is another process now.
  const owner = { pid: process.pid, host: 'x', space: await spaceOf(directory), started: '1' }
  await writeFile(join(directory, OTHER, 'owner.json'), JSON.stringify(owner))
  const both = [INSTANCE, OTHER.replace('ff', 'aa')].map(
    (instance) => spillOf(t, { directory, instance }).spill,
  )
  await Promise.all(both.map((spill) => spill.start()))
  const found = (await Promise.all(both.map((spill) => numbers(spill)))).flat()
  t.same(
    found.sort((a, b) => a - b),
    [7, 7, 7, 8, 8, 8],
  )
  t.equal(
    both.reduce((sum, spill) => sum + spill.stats.damaged, 0),
    0,
  )
  t.same(await numbers(alive), [1])
  for (const spill of [...both, alive]) await spill.close()
  t.same(await filesUnder(directory), [])
})

async function spaceOf(directory: string): Promise<string> {
  const text = await readFile(join(directory, THIRD, 'owner.json'), 'utf8')
  return (JSON.parse(text) as { space: string }).space
}

t.test('a process elsewhere is dead when it has not been heard of for half a minute', async (t) => {
  const { bytes } = await segmentOf(t, [numbered(1, 1, OTHER)])
  const directory = await leftBehind(t, bytes)
  const ownerFile = join(directory, OTHER, 'owner.json')
  await writeFile(ownerFile, JSON.stringify({ pid: 1, host: 'other', space: 'another boot', started: '5' }))
  const clock = new FakeClock()
  const { spill } = spillOf(t, { directory, clock: Object.assign(clock, { nowMs: () => nowMs }) })
  let nowMs = 1_000_000
  const isTakenAfter = async (ms: number): Promise<boolean> => {
    nowMs += ms
    await spill.start()
    return (await numbers(spill)).length > 0
  }
  t.notOk(await isTakenAfter(0), 'the first look tells nothing')
  t.notOk(await isTakenAfter(29_000))
  // D1: its clock was wrong, and was set right in either direction, while it lived.
  for (const hours of [1000, -1000, 0]) {
    const time = new Date(Date.now() + hours * 3_600_000)
    await utimes(ownerFile, time, time)
    t.notOk(await isTakenAfter(29_000), `touched, by a clock ${hours} hours off`)
  }
  t.ok(await isTakenAfter(31_000))
})

t.test('what is left at the close is the next process’s, at once', async (t) => {
  const { spill, directory } = spillOf(t)
  await spill.append(numbered(1))
  await spill.append(numbered(2))
  const [first] = await spill.oldest({ entries: 1, bytes: 1 })
  if (first) spill.settle(first)
  await spill.close()
  t.equal(await spill.append(numbered(3)), null)
  t.same(await filesUnder(directory), [`${INSTANCE}/1.seg`])
  const next = spillOf(t, { directory, instance: OTHER }).spill
  await next.start()
  t.same(next.stats.pendingEntries, 4)
  t.same(await numbers(next), [1, 2], 'the ledger knows of the first')
})

t.test(
  'a process killed in the middle of writing leaves every batch that it was told is written',
  async (t) => {
    const directory = freshDirectory(t)
    const next = spillOf(t, { directory }).spill
    for (let round = 0; round < 4; round++) {
      const instance = `0190a1b2-c3d4-7e5f-8a9b-00000000000${round}`
      const child = fork(
        fileURLToPath(new URL('../test/spill-child.js', import.meta.url)),
        [directory, instance],
        {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        },
      )
      let told = 0
      child.on('message', (number) => {
        told = Number(number)
        if (told >= 50 + round * 17) child.kill('SIGKILL')
      })
      await once(child, 'exit')
      await next.start()
      const found = await pending(next)
      const ofChild = found.map(({ frame }) => frame.batch.number)
      t.same(
        ofChild,
        Array.from({ length: ofChild.length }, (_, i) => i + 1),
      )
      t.ok(ofChild.length >= told, `${ofChild.length} found, ${told} told`)
      t.ok(found.every(({ frame }) => rowsOf(frame.batch.body).length === frame.batch.entries))
    }
    t.equal(next.stats.damaged, 0)
  },
)

t.test('a truncated segment under a live reader is told, not believed', async (t) => {
  const { spill, directory } = spillOf(t)
  await spill.append(numbered(1))
  await spill.append(numbered(2))
  await truncate(join(directory, INSTANCE, '1.seg'), 100)
  t.same(await numbers(spill), [])
  t.ok(spill.stats.torn + spill.stats.damaged > 0)
})
