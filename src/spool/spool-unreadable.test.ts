import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Segment } from './segment.ts'
import { encodeFrame } from './segment-format.ts'
import { batchCodec } from '../writer/spill/batch-codec.ts'
import { Spill } from '../writer/spill/spill.ts'
import { type SpoolFiles, systemFiles } from './spool-files.ts'
import { FakeClock } from '../test/clock.ts'
import { entryOf, INSTANCE, sealedBatch } from '../test/writer-parts.ts'

const OTHER = '0190a1b2-c3d4-7e5f-8a9b-ffffffffffff'
const ALL = { entries: 1e6, bytes: 1e9 }
const UNSYNCED: SpoolFiles = { ...systemFiles, syncDirectory: async () => {} }
const numbered = (number: number, instance = INSTANCE) =>
  sealedBatch([entryOf(), entryOf()], { number, instance })

function rigOf(t: Test, options: { directory?: string; instance?: string; files?: SpoolFiles } = {}) {
  const parent = mkdtempSync(join(tmpdir(), 'waybill-spill-'))
  t.teardown(() => rmSync(parent, { recursive: true, force: true }))
  const { directory = join(parent, 'spill'), instance = INSTANCE, files = UNSYNCED } = options
  const lines: { fields: object; message: string }[] = []
  const tell = (fields: object, message: string): void => void lines.push({ fields, message })
  const clock = new FakeClock()
  const spill = new Spill({
    directory,
    instance,
    maxBytes: 80_000,
    syncIntervalMs: 100,
    logger: { info: tell, warn: tell, error: tell },
    clock,
    files,
    owners: { us: systemOwner, isAlive: async (_, path) => path.includes(instance) },
  })
  t.teardown(() => spill.close())
  return { spill, directory, lines, clock }
}

const systemOwner = async () => ({ pid: 1, host: '', space: '', started: '' })

async function numbers(spill: Spill): Promise<number[]> {
  const all: number[] = []
  for (;;) {
    const some = await spill.oldest(ALL)
    if (some.length === 0) return all
    for (const each of some) {
      spill.settle(each)
      all.push(each.frame.batch.number)
    }
  }
}

async function bytesOf(...batches: number[]): Promise<Buffer> {
  return Buffer.concat(batches.flatMap((n) => encodeFrame(batchCodec.encode(numbered(n, OTHER))).pieces))
}

t.test('D10: a segment that cannot be read is set aside and named once; the next is read', async (t) => {
  for (const code of ['EACCES', 'EIO', 'EMFILE']) {
    let isReadable = false
    const files: SpoolFiles = {
      ...UNSYNCED,
      open: async (path, flags) => {
        if (flags === 'r' && path.endsWith('/1.seg') && !isReadable)
          throw Object.assign(new Error(code), { code })
        return await systemFiles.open(path, flags)
      },
    }
    const { spill, lines } = rigOf(t, { files })
    await spill.start()
    // The first segment takes these; the bound of one is an eighth of all.
    for (let n = 1; n <= 40 && spill.stats.segments < 2; n++) await spill.append(numbered(n))
    const first = await numbers(spill)
    t.ok(first.length > 0 && !first.includes(1), `${code}: ${first.join()}`)
    t.equal(spill.hasPending, false, 'nobody waits for it')
    t.match(spill.stats.aside, { segments: 1, named: [{ what: 'segment', code, name: /1\.seg$/ }] })
    t.equal(spill.stats.aside.entries, spill.stats.pendingEntries)
    for (let i = 0; i < 4; i++) {
      await spill.start()
      await numbers(spill)
    }
    t.equal(lines.filter(({ message }) => message.includes('set aside in')).length, 1, 'told once')
    t.match(lines.find(({ message }) => message.includes('set aside in'))?.fields, { path: /1\.seg$/, code })
    await spill.rest()
    isReadable = true
    let pendings = 0
    spill.onPending(() => pendings++)
    await spill.start()
    t.equal(pendings, 1, 'tried again now and then')
    t.equal((await numbers(spill))[0], 1)
    t.match(spill.stats, { pendingEntries: 0, aside: { segments: 0, entries: 0, named: [] } })
  }
})

t.test('D10: what bears the name of a segment and is none is named, and left where it is', async (t) => {
  const { spill, directory, lines } = rigOf(t)
  await mkdir(join(directory, OTHER, '97.seg'), { recursive: true })
  await writeFile(join(directory, OTHER, '98.seg'), await bytesOf(1, 2))
  await symlink('/dev/zero', join(directory, OTHER, '99.seg'))
  await writeFile(join(directory, OTHER, '100.seg'), '')
  await writeFile(join(directory, OTHER, '101.seg'), await bytesOf(3))
  // A file in place of a directory, and an owner that is no file.
  await writeFile(join(directory, OTHER.replace('ffff', 'eeee')), '')
  await mkdir(join(directory, OTHER.replace('ffff', 'dddd'), 'owner.json'), { recursive: true })
  await spill.start()
  t.same(await numbers(spill), [1, 2, 3])
  const named = spill.stats.aside.named.map(({ what, name, code }) => `${what} ${name.slice(-20)} ${code}`)
  t.equal(spill.stats.aside.files, 3, named.join())
  t.match(named.join(), /97\.seg not_a_file/)
  t.match(named.join(), /99\.seg not_a_file/)
  t.match(named.join(), /ENOTDIR/)
  const told = lines.length
  await spill.start()
  t.equal(lines.length, told, 'once')
  await rm(join(directory, OTHER, '97.seg'), { recursive: true })
  await spill.start()
  t.equal(spill.stats.aside.files, 2, 'and forgotten when it is gone')
})

t.test('D10: a segment of a later format waits, whole, for the version that can read it', async (t) => {
  const { spill, directory } = rigOf(t)
  await mkdir(join(directory, OTHER), { recursive: true })
  const later = await bytesOf(1)
  later.writeUInt16LE(4, 4)
  const { crc32 } = await import('node:zlib')
  later.writeUInt32LE(crc32(later.subarray(0, 24)), 24)
  await writeFile(join(directory, OTHER, '1.seg'), later)
  await writeFile(join(directory, OTHER, '2.seg'), await bytesOf(2))
  await spill.start()
  t.same(await numbers(spill), [2])
  t.match(spill.stats, { damaged: 0, aside: { segments: 1, named: [{ code: 'newer_format' }] } })
})

t.test('D10: a length that no writer of ours gives is damage, and no memory is asked for it', async (t) => {
  const { spill, directory } = rigOf(t)
  await mkdir(join(directory, OTHER), { recursive: true })
  const huge = await bytesOf(1)
  huge.writeUInt32LE(0xffff_fff0, 12)
  const { crc32 } = await import('node:zlib')
  huge.writeUInt32LE(crc32(huge.subarray(0, 24)), 24)
  await writeFile(join(directory, OTHER, '1.seg'), Buffer.concat([huge, await bytesOf(2)]))
  await spill.start()
  t.same(await numbers(spill), [2])
  t.match(spill.stats, { damaged: 1, aside: { segments: 0 } })
})

t.test('a segment that is taken over never replaces another of the same name', async (t) => {
  const { spill, directory } = rigOf(t)
  const from = join(directory, OTHER)
  for (const n of [1, 2]) {
    // As after a restored backup: the directory is there again, with other content.
    await mkdir(from, { recursive: true })
    await writeFile(join(from, '1.seg'), await bytesOf(n))
    await spill.start()
  }
  t.same(
    (await numbers(spill)).sort((a, b) => a - b),
    [1, 2],
  )
})

t.test('D7: who was taken for dead and comes back spills on, and nothing is dropped or lost', async (t) => {
  const owner = rigOf(t)
  const { directory } = owner
  t.ok(await owner.spill.append(numbered(1)))
  t.ok(await owner.spill.append(numbered(2)))
  const heir = rigOf(t, { directory, instance: OTHER })
  await heir.spill.start()
  t.same(await readdir(directory), [OTHER], 'the folder is gone')
  for (let n = 3; n <= 20; n++) t.ok(await owner.spill.append(numbered(n)), `batch ${n}`)
  t.same(await numbers(heir.spill), [1, 2])
  const own = await numbers(owner.spill)
  // What was open is read to its end: the ledger knows of what the heir has stored.
  t.same(
    [...new Set(own)].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  t.match(owner.spill.stats, { refused: 0, pendingEntries: 0 })
  t.match(heir.spill.stats, { refused: 0, pendingEntries: 0, torn: 0, damaged: 0 })
})

t.test('D7: a spill directory that is removed, moved or replaced in use is made again', async (t) => {
  const { spill, directory } = rigOf(t)
  t.ok(await spill.append(numbered(1)))
  await rm(directory, { recursive: true })
  t.ok(await spill.append(numbered(2)), 'removed')
  await rename(directory, `${directory}.old`)
  t.ok(await spill.append(numbered(3)), 'moved')
  await rm(directory, { recursive: true })
  await writeFile(directory, '')
  t.equal(await spill.append(numbered(4)), null, 'a file in its place')
  t.match(spill.stats, { refused: 1 })
  await rm(directory)
  t.ok(await spill.append(numbered(5)), 'and when that is gone')
  t.same(
    (await numbers(spill)).sort((a, b) => a - b),
    [1, 2, 3, 5],
    'what was open can still be read',
  )
})

t.test('D7: without its owner file a directory is a dead one’s: it is written again', async (t) => {
  const { spill, directory, clock } = rigOf(t)
  await spill.append(numbered(1))
  const path = join(directory, INSTANCE, 'owner.json')
  await rm(path)
  await clock.advance(5000)
  const isBack = async (): Promise<boolean> =>
    await utimes(path, 1, 1).then(
      () => true,
      () => false,
    )
  for (let i = 0; i < 1000 && !(await isBack()); i++);
  t.equal(await isBack(), true)
})

t.test('names that are taken in our own directory are stepped over', async (t) => {
  const { spill, directory } = rigOf(t)
  for (const n of [1, 2, 3]) await mkdir(join(directory, INSTANCE, `${n}.seg`), { recursive: true })
  t.ok(await spill.append(numbered(1)))
  t.match(spill.stats, { refused: 0 })
  t.same(await numbers(spill), [1])
})

t.test(
  'D7: a removed segment whose writing ends while it is being opened is read all the same',
  async (t) => {
    const parent = mkdtempSync(join(tmpdir(), 'waybill-spill-'))
    t.teardown(() => rmSync(parent, { recursive: true, force: true }))
    let open = (): void => {}
    const opening = new Promise<void>((resolve) => {
      open = resolve
    })
    const files: SpoolFiles = {
      ...UNSYNCED,
      open: async (path, flags) => {
        if (flags === 'r') await opening
        return await systemFiles.open(path, flags)
      },
    }
    const segment = await Segment.create({ files, codec: batchCodec }, join(parent, '1.seg'))
    t.teardown(() => segment.close())
    await segment.append(numbered(1), encodeFrame(batchCodec.encode(numbered(1))), false)
    await rm(join(parent, '1.seg'))
    t.equal(await segment.isThere(), false)
    const reading = segment.read(0)
    await segment.endWriting()
    open()
    t.equal((await reading).kind, 'frame')
  },
)
