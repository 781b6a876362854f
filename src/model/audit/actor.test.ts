import t from 'tap'
import { actorName, actorSettings } from './actor.ts'

const LONG = 'x'.repeat(254)

t.test('the account of an actor stays whole, however long the name is', (t) => {
  const token = { kind: 'token', id: '0a1b2c3d4e5f' } as const
  t.equal(actorName('ci', token), 'ci (token 0a1b2c3d4e5f)')
  for (const name of ['n'.repeat(200), '😀'.repeat(100), `root (token ${'0'.repeat(180)})`]) {
    const whole = actorName(name, token)
    t.ok(whole.length <= 200 && !/\p{Cs}/u.test(whole), name)
    t.ok(whole.endsWith(' (token 0a1b2c3d4e5f)'))
    t.equal(
      actorSettings({ name: whole, via: 'api', from: '' })['waybill.actor'],
      whole,
      'the log cuts no more',
    )
  }
  const subject = 's'.repeat(169)
  t.equal(
    actorName('n'.repeat(200), { kind: 'subject', id: subject }),
    `${'n'.repeat(20)} (subject ${subject})`,
  )
  t.end()
})

t.test('two subjects that are too long stay apart', (t) => {
  const [one, other] = ['1', '2'].map((end) =>
    actorName('n'.repeat(200), { kind: 'subject', id: LONG + end }),
  )
  t.not(one, other)
  t.equal(one?.length, 200)
  t.match(one, /^n{20} \(subject x+…[0-9a-f]{32}\)$/)
  t.end()
})
