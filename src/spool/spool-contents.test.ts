import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Clock, systemClock } from '../lib/time/clock.ts'
import { FakeClock } from '../test/clock.ts'
import { INSTANCE } from '../test/writer-parts.ts'
import type { FrameCodec } from './segment-format.ts'
import { Spool } from './spool.ts'
import type { SpoolLog } from './spool-log.ts'

/** Something else than batches of access entries. */
interface Parcel {
  readonly to: string
  readonly content: Buffer
}

const parcels: FrameCodec<Parcel> = {
  encode: ({ to, content }) => ({ entries: 1, header: Buffer.from(to), body: content }),
  decode: ({ header, body }) => (header.length === 0 ? null : { to: header.toString(), content: body }),
  nameOf: ({ to }) => `parcel to ${to}`,
}

function spoolIn(t: Test, directory: string, clock: Clock = systemClock) {
  const told: string[] = []
  const tell =
    (what: string) =>
    (...about: unknown[]): void =>
      void told.push([what, ...about.filter((each) => typeof each === 'string')].join(' '))
  const log: SpoolLog<Parcel> = {
    appended: ({ batch }) => void told.push(`appended ${batch.to}`),
    refused: tell('refused'),
    unread: (_, { kind }) => void told.push(kind),
    batchAside: (_, { batch }, code) => void told.push(`aside ${batch.to} ${code}`),
    fileAside: tell('file aside'),
    readAgain: tell('read again'),
    gone: tell('gone'),
    adopted: tell('adopted'),
    failed: tell('failed'),
    emptied: tell('emptied'),
  }
  const spool = new Spool({
    directory,
    instance: INSTANCE,
    maxBytes: 1e6,
    syncIntervalMs: 100,
    codec: parcels,
    log,
    clock,
  })
  t.teardown(() => spool.close())
  return { spool, told }
}

async function freshFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-spool-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

t.test('a spool keeps what its codec makes bytes of, whatever that is', async (t) => {
  const { spool, told } = spoolIn(t, await freshFolder(t))
  const content = Buffer.from([0, 255, 10])
  for (const to of ['acme', 'globex']) await spool.append({ to, content })
  const found = await spool.oldest({ entries: 10, bytes: 1e6 })
  t.same(
    found.map(({ frame }) => frame.batch),
    [
      { to: 'acme', content },
      { to: 'globex', content },
    ],
  )
  t.equal(spool.stats.pendingEntries, 2)
  const [first, second] = found
  if (!first || !second) throw new Error('not two')
  t.equal(spool.setAside(first, 'gone'), 1)
  t.match(spool.stats.aside.named[0]?.name, /1\.seg, parcel to acme$/)
  spool.settle(second)
  t.equal(spool.hasPending, false, 'what is set aside is not pending')
  spool.settle(first)
  await spool.rest()
  t.same(told, ['appended acme', 'appended globex', 'aside acme gone', 'emptied'])
})

t.test('content that its codec cannot read counts as damaged', async (t) => {
  const { spool, told } = spoolIn(t, await freshFolder(t))
  await spool.append({ to: '', content: Buffer.from('x') })
  await spool.append({ to: 'acme', content: Buffer.from('y') })
  const found = await spool.oldest({ entries: 10, bytes: 1e6 })
  t.same(
    found.map(({ frame }) => frame.batch.to),
    ['acme'],
  )
  t.equal(spool.stats.damaged, 1)
  t.ok(told.includes('damaged'))
})

t.test(
  'what is set aside is tried again after half a minute, and not when segments are next looked for',
  async (t) => {
    const clock = new FakeClock()
    const { spool } = spoolIn(t, await freshFolder(t), clock)
    await spool.start()
    let pending = 0
    spool.onPending(() => pending++)
    await spool.append({ to: 'acme', content: Buffer.from('x') })
    const [only] = await spool.oldest({ entries: 10, bytes: 1e6 })
    if (!only) throw new Error('not one')
    const before = pending
    await clock.advance(10_000)
    spool.setAside(only, 'full')
    await clock.advance(29_999)
    t.equal(spool.hasPending, false)
    await clock.advance(1)
    t.equal(spool.hasPending, true)
    t.equal(pending, before + 1, 'and told')
    await clock.advance(60_000)
    t.equal(pending, before + 1, 'once')
    t.equal(spool.setAside(only, 'full'), 2)
    await clock.advance(59_999)
    t.equal(spool.hasPending, false, 'twice as long at the second time')
    await clock.advance(1)
    t.equal(spool.hasPending, true)
  },
)
