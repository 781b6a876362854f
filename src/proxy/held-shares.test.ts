import t from 'tap'
import { HeldShares } from './held-shares.ts'

const MIB = 1024 * 1024
const body = () => ({ heldBytes: 0, holder: '', isVerified: false })

t.test('one source does not take the place of others, and gives back what it took', (t) => {
  const shares = new HeldShares()
  const bodies = Array.from({ length: 4 }, body)
  for (const one of bodies) t.ok(shares.take(one, '192.0.2.1', 8 * MIB))
  t.notOk(shares.take(body(), '192.0.2.1', 1), 'its share is used up')
  t.ok(shares.take(body(), '192.0.2.2', 32 * MIB), 'that of another is not')
  for (const one of bodies) shares.release(one)
  t.ok(shares.take(body(), '192.0.2.1', 32 * MIB))
  t.ok(shares.take(body(), '192.0.2.3', 32 * MIB))
  t.ok(shares.take(body(), '192.0.2.4', 32 * MIB))
  t.notOk(shares.take(body(), '192.0.2.5', 1), 'all of them together have an end, too')
  t.end()
})

t.test('what is verified is held for its tenant, beside what strangers hold', (t) => {
  const shares = new HeldShares()
  for (const source of ['a', 'b', 'c']) t.ok(shares.take(body(), source, 32 * MIB))
  const held: ReturnType<typeof body>[] = []
  const pass = (tenant: string, isTaken: boolean): void => {
    const one = body()
    t.ok(shares.take(one, 'sender', 32 * MIB), 'the source has its share back each time')
    one.isVerified = true
    t.equal(shares.pass(one, tenant), isTaken, tenant)
    held.push(one)
  }
  pass('slow', true)
  pass('slow', true)
  pass('slow', false)
  pass('other', true)
  for (const one of held) shares.release(one)
  pass('slow', true)
  t.end()
})
