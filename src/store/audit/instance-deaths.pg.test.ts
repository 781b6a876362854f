import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { machineName, processStart } from '../../lib/host/machine.ts'
import { findGone, findSilent, noteDeath, type InstanceDeath } from './instance-deaths.ts'
import {
  endInstance,
  raisePromises,
  registerInstance,
  touchInstance,
  type InstanceStart,
} from './instances.ts'
import { testDatabase } from '../../test/database.ts'

const { sql } = await testDatabase(t)

interface Row {
  readonly sign: string | null
  readonly isDead: boolean
  readonly memory: number | null
  readonly acceptedSeq: number | null
}

async function rowOf(id: string): Promise<Row | undefined> {
  const rows = await sql<Row[]>`
    SELECT died_of AS sign, died_at IS NOT NULL AS "isDead", memory_entries AS memory, accepted_seq AS "acceptedSeq"
    FROM instances WHERE id = ${id}`
  return rows[0]
}

const startOf = (more: Partial<InstanceStart> = {}): InstanceStart => {
  const base = { host: 'gw', version: '1', startedAt: new Date(), capacityEntries: 9000, journalMs: null }
  return { ...base, id: randomUUID(), ...more }
}

const deathOf = (id: string, more: Partial<InstanceDeath> = {}): InstanceDeath => {
  return { id, sign: 'gone', promises: null, isCutOff: false, start: null, ...more }
}

const promises = (memoryEntries: number, inFlightMost = 128) => ({ memoryEntries, inFlightMost })

const figures = (acceptedSeq: number, memoryEntries: number | null) => ({
  acceptedSeq,
  spilledEntries: 0,
  memoryEntries,
  inFlightMost: 64,
})

async function live(more: Partial<InstanceStart> = {}): Promise<string> {
  const start = startOf(more)
  await registerInstance(sql, start)
  await touchInstance(sql, start.id, figures(10, 512))
  return start.id
}

t.test('D11: whoever knows more of a death adds it, in any order', async (t) => {
  const worse = await live()
  await noteDeath(sql, deathOf(worse, { sign: 'exited', promises: promises(2048) }))
  await noteDeath(sql, deathOf(worse))
  t.match(await rowOf(worse), { sign: 'exited', memory: 2048 })
  const heirLast = await live()
  await noteDeath(sql, deathOf(heirLast))
  t.match(await rowOf(heirLast), { sign: 'gone', memory: 512 })
  await noteDeath(sql, deathOf(heirLast, { sign: 'heir', isCutOff: true }))
  t.match(await rowOf(heirLast), { sign: 'gone', memory: null }, 'what it promised last is not known')
  const heirFirst = await live()
  await noteDeath(sql, deathOf(heirFirst, { sign: 'heir', isCutOff: true }))
  await noteDeath(sql, deathOf(heirFirst, { sign: 'exited', promises: promises(1024) }))
  t.match(await rowOf(heirFirst), { sign: 'exited', memory: null })
})

t.test('D11: one that never reached the database is told of by its primary', async (t) => {
  const start = startOf()
  await noteDeath(sql, deathOf(start.id, { sign: 'exited', promises: promises(512), start }))
  t.match(await rowOf(start.id), { sign: 'exited', memory: 512 })
})

t.test('one that stopped in order did not die', async (t) => {
  const id = await live()
  await endInstance(sql, id, { acceptedSeq: 10, spilledEntries: 0 })
  await noteDeath(sql, deathOf(id))
  t.match(await rowOf(id), { isDead: false })
})

t.test('D11: a sign of life takes a death back, a last word that was under way does not', async (t) => {
  const id = await live()
  await noteDeath(sql, deathOf(id))
  await touchInstance(sql, id, figures(11, 512))
  t.match(await rowOf(id), { isDead: true })
  await sql`UPDATE instances SET died_at = died_at - interval '6 seconds' WHERE id = ${id}`
  await touchInstance(sql, id, figures(12, 512))
  t.match(await rowOf(id), { isDead: false, sign: null })
})

t.test('D11: a promise that is raised is not undone by an older sign of life that comes late', async (t) => {
  const id = await live()
  await raisePromises(sql, id, { acceptedSeq: 500, ...promises(1024) })
  await touchInstance(sql, id, figures(20, 512))
  t.match(await rowOf(id), { memory: 1024, acceptedSeq: 500 })
  await touchInstance(sql, id, figures(600, 512))
  t.match(await rowOf(id), { memory: 512 })
})

t.test(
  'D11: processes of this machine that are no more are found, and whether they left traces',
  async (t) => {
    const machine = machineName()
    const folder = t.testdir({})
    const of = (id: number, started: string, spillFolder: string | null = folder) => ({
      process: { id, started, machine, spillFolder },
    })
    await live(of(process.pid, processStart(process.pid)))
    const elsewhere = of(process.pid, '1')
    await live({ process: { ...elsewhere.process, machine: 'another' } })
    const reused = await live(of(process.pid, '1'))
    const traced = await live(of(process.pid, '1'))
    const blind = await live(of(process.pid, '1', null))
    await mkdir(join(folder, traced))
    await writeFile(join(folder, traced, 'unheard'), '')
    await mkdir(join(folder, reused))
    const ended = await live(of(process.pid, '1'))
    await endInstance(sql, ended, { acceptedSeq: 10, spilledEntries: 0 })
    const gone = await findGone(sql, machine)
    const byId = new Map(gone.map(({ id, isCutOff }) => [id, isCutOff]))
    t.same(
      byId,
      new Map(
        machine === ''
          ? []
          : [
              [reused, false],
              [traced, true],
              [blind, true],
            ],
      ),
    )
    await noteDeath(sql, deathOf(reused))
    t.equal((await findGone(sql, machine)).length, Math.max(0, gone.length - 1))
  },
)

t.test(
  'D11: who had the state folder in another container is presumed dead when it falls silent',
  async (t) => {
    const folder = t.testdir({ lives: {} })
    const spillFolder = join(folder, 'spill')
    const here = { host: 'pod', machine: 'boot-1 pid:[2]', folder }
    const of = (machine: string, host = 'pod') => ({
      host,
      process: { id: 7, started: '70', machine, spillFolder },
    })
    const [before, cutOff, rebooted] = [
      await live(of('boot-1 pid:[1]')),
      await live(of('boot-1 pid:[1]')),
      await live(of('boot-0 pid:[2]')),
    ]
    const others = [
      // Not remembered by the folder: another volume at the same place.
      await live(of('boot-1 pid:[1]')),
      await live(of('boot-1 pid:[1]', 'another')),
      await live(of(here.machine)),
    ]
    for (const id of [before, cutOff, rebooted, ...others.slice(1)])
      await writeFile(join(folder, 'lives', `${id}.${id}.json`), '{}')
    await mkdir(join(spillFolder, cutOff), { recursive: true })
    await writeFile(join(spillFolder, cutOff, 'unheard'), '')
    t.same(await findSilent(sql, here), [], 'all have been heard of')
    await sql`UPDATE instances SET last_seen_at = last_seen_at - interval '20 seconds' WHERE spill_folder = ${spillFolder}`
    const silent = new Map((await findSilent(sql, here)).map(({ id, isCutOff }) => [id, isCutOff]))
    t.same(
      silent,
      new Map([
        [before, false],
        [cutOff, true],
        [rebooted, true],
      ]),
    )
  },
)
