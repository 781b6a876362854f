import t from 'tap'
import { HeldShares } from './held-shares.ts'

const MIB = 1024 * 1024

t.test('one source does not take the place of others, and gives back what it took', (t) => {
  const shares = new HeldShares()
  const bodies = Array.from({ length: 4 }, () => shares.open('192.0.2.1'))
  for (const one of bodies) t.ok(one.take(8 * MIB))
  t.notOk(shares.open('192.0.2.1').take(1), 'its share is used up')
  t.ok(shares.open('192.0.2.2').take(32 * MIB), 'that of another is not')
  for (const one of bodies) one.release()
  for (const one of bodies) one.release()
  t.ok(shares.open('192.0.2.1').take(32 * MIB))
  t.ok(shares.open('192.0.2.3').take(32 * MIB))
  t.ok(shares.open('192.0.2.4').take(32 * MIB))
  t.notOk(shares.open('192.0.2.5').take(1), 'all of them together have an end, too')
  t.end()
})

t.test('what is verified is held for its tenant, beside what strangers hold', (t) => {
  const shares = new HeldShares()
  for (const source of ['a', 'b', 'c']) t.ok(shares.open(source).take(32 * MIB))
  const pass = (tenant: string, isTaken: boolean) => {
    const one = shares.open('sender')
    t.ok(one.take(32 * MIB), 'the source has its share back each time')
    t.equal(one.pass(tenant), isTaken, tenant)
    return one
  }
  const held = [pass('slow', true), pass('slow', true), pass('slow', false), pass('other', true)]
  for (const one of held) one.release()
  pass('slow', true)
  t.end()
})
