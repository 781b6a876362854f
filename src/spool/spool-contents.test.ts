import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
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

function spoolIn(t: Test, directory: string) {
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
