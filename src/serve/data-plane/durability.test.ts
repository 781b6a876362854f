import t from 'tap'
import type { DurabilitySettings } from '../../model/durability.ts'
import { Durability } from './durability.ts'

const SOUND: DurabilitySettings = {
  synchronous_commit: 'on',
  fsync: 'on',
  full_page_writes: 'on',
  in_recovery: 'off',
}

t.test('D9: what weakens the proof is said once, and again when it has changed', async (t) => {
  const said: unknown[] = []
  const log = (level: string) => (fields: object) => void said.push([level, fields])
  const durability = new Durability({ warn: log('warn'), info: log('info') } as never)
  t.equal(durability.weaknesses, null)
  t.same(durability.warnings, [], 'nothing is known yet')
  durability.found(SOUND)
  t.same([said, durability.warnings], [[], []])
  for (const synchronous_commit of ['local', 'remote_write', 'remote_apply'])
    durability.found({ ...SOUND, synchronous_commit })
  t.same(said, [], 'all of these wait for the disk of the server')
  const weak = { ...SOUND, synchronous_commit: 'off', fsync: 'off' }
  durability.found(weak)
  durability.found(weak)
  const settings = ['synchronous_commit = off', 'fsync = off']
  t.same(said, [['warn', { settings }]])
  t.match(durability.warnings, [{ code: 'database_not_durable', detail: settings.join(', ') }])
  durability.found({ ...SOUND, full_page_writes: 'off' })
  durability.found({ ...SOUND, in_recovery: 'on' })
  t.same(said.slice(1), [
    ['warn', { settings: ['full_page_writes = off'] }],
    ['warn', { settings: ['in_recovery = on'] }],
  ])
  durability.found(SOUND)
  t.match(said.at(-1), ['info', {}])
  t.same(durability.warnings, [])
})
