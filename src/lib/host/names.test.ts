import type { LookupAddress } from 'node:dns'
import t, { type Test } from 'tap'
import { systemClock } from '../time/clock.ts'
import { DEFAULT_NAME_OPTIONS, Names, type NameOptions } from './names.ts'

type Done = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/** Names whose look-ups wait until the test answers them, and whose clock it sets. */
class Scene {
  readonly asked: { name: string; done: Done }[] = []
  now = 1000
  readonly names = new Names((name, done) => void this.asked.push({ name, done }), {
    ...systemClock,
    nowMs: () => this.now,
  })

  constructor(options: Partial<NameOptions> = {}) {
    this.names.options = { ...DEFAULT_NAME_OPTIONS, ...options }
  }

  resolve(name: string): Promise<string> {
    return new Promise((resolve) => {
      this.names.resolve(name, (error, all) => {
        resolve(error === null ? all.map(({ address }) => address).join() : (error.code ?? ''))
      })
    })
  }

  answer(name: string, ...addresses: string[]): void {
    const at = this.asked.findIndex((question) => question.name === name)
    const [question] = this.asked.splice(at, 1)
    const error: NodeJS.ErrnoException | null =
      addresses.length > 0 ? null : Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    question?.done(
      error,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
}

t.test('R07: one look-up per name for all who wait, and its answer is kept', async (t) => {
  const scene = new Scene()
  const all = Array.from({ length: 20 }, () => scene.resolve('a'))
  t.equal(scene.asked.length, 1)
  scene.answer('a', '10.0.0.1')
  t.same(new Set(await Promise.all(all)), new Set(['10.0.0.1']))
  t.equal(await scene.resolve('a'), '10.0.0.1')
  t.equal(scene.asked.length, 0)
})

t.test('R07: slow names leave room for others, and are waited for no longer than the limit', async (t) => {
  const scene = new Scene({ timeoutMs: 20, maxLookups: 2 })
  const slow = ['a', 'b'].map((name) => scene.resolve(name))
  t.equal(scene.asked.length, 2, 'two at once')
  t.same(await Promise.all(slow), ['EAI_AGAIN', 'EAI_AGAIN'])
  const other = scene.resolve('other')
  t.same(
    scene.asked.map(({ name }) => name),
    ['a', 'b', 'other'],
    'overdue ones leave one thread to a name that answers, and one to files',
  )
  scene.answer('other', '10.0.0.9')
  t.equal(await other, '10.0.0.9')
})

t.test('R07: an old answer is used when no new one comes, or an error', async (t) => {
  const scene = new Scene({ cacheMs: 100, staleMs: 10_000 })
  const first = scene.resolve('a')
  scene.answer('a', '10.0.0.1')
  await first
  scene.now += 200
  const second = scene.resolve('a')
  scene.answer('a')
  t.equal(await second, '10.0.0.1', 'after an error')
  t.equal(await scene.resolve('a'), '10.0.0.1', 'an error is not asked about again at once')
  t.equal(scene.asked.length, 0)
  scene.now += 2000
  t.equal(await scene.resolve('a'), '10.0.0.1', 'without an answer, after a moment')
  scene.answer('a', '10.0.0.2')
  t.equal(await scene.resolve('a'), '10.0.0.2')
  scene.now += 20_000
  const last = scene.resolve('a')
  scene.answer('a')
  t.equal(await last, 'ENOTFOUND', 'too old')
})

t.test('R07: a clock that does not move, or a name that never was, ends in an error', async (t) => {
  const scene = new Scene()
  const none = scene.resolve('none')
  scene.answer('none')
  t.equal(await none, 'ENOTFOUND')
  t.equal(await scene.resolve('none'), 'ENOTFOUND')
})

t.test('R08: a name leads to the addresses that it was resolved to lately', async (t: Test) => {
  const scene = new Scene({ cacheMs: 100 })
  t.ok(scene.names.leadsTo('a', '10.0.0.1'), 'unknown')
  const first = scene.resolve('a')
  scene.answer('a', '10.0.0.1')
  await first
  t.ok(scene.names.leadsTo('a', '10.0.0.1'))
  t.notOk(scene.names.leadsTo('a', '10.0.0.2'))
  for (let i = 0; i < 3; i++) {
    scene.now += 101
    scene.names.leadsTo('a', '10.0.0.1') // asks anew
    scene.answer('a', '10.0.0.2')
  }
  t.notOk(scene.names.leadsTo('a', '10.0.0.1'), 'moved')
  t.ok(scene.names.leadsTo('a', '10.0.0.2'))
})

t.test('R07: the families that a socket asks for', async (t) => {
  const scene = new Scene()
  const first = scene.resolve('a')
  scene.answer('a', '10.0.0.1', '2001:db8::1')
  await first
  const look = (family: number): Promise<unknown> =>
    new Promise((resolve) => {
      scene.names.lookup('a', { family }, (error, address) => resolve(error?.code ?? address))
    })
  t.equal(await look(0), '10.0.0.1')
  t.equal(await look(6), '2001:db8::1')
})
