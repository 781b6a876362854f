import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EVENT_TYPES } from '../../model/events/event.ts'
import { loadConfig, type Config } from '../config.ts'
import { MASK, shownValue } from '../shown-config.ts'

const SECRET = `whsec_${'A'.repeat(43)}=`
const ONE = { url: 'https://hooks.example.com/a?token=t', secret: SECRET }

function load(events: unknown): Config {
  return loadConfig({ file: null, env: { WAYBILL_EVENTS: JSON.stringify(events) }, flags: {} })
}

t.test('receivers want all types or some, and are read from a file as well', async (t) => {
  const file = join(t.testdir({}), 'waybill.yaml')
  writeFileSync(
    file,
    `events: [{ url: "http://u.example/", secret: ${SECRET}, types: [ledger.gap, ledger.gap] }]`,
  )
  t.match(loadConfig({ file, env: {}, flags: {} }).options.events, [{ types: ['ledger.gap'] }])
  t.match(load([ONE]).options.events, [{ ...ONE, types: EVENT_TYPES }])
})

t.test('a receiver that is wrong is named by number and field, and nothing of it is told', async (t) => {
  const second = [
    [{ ...ONE, url: 'ftp://u.example/' }, 'url must be an http'],
    [{ ...ONE, url: 'https://user:word@u.example/' }, 'url must be an http'],
    [{ secret: SECRET }, 'url must be an http'],
    [{ ...ONE, secret: 'whsec_c2hvcnQ=' }, 'secret must be whsec_'],
    [{ ...ONE, types: [] }, 'types must be some of key.expiring'],
    [{ ...ONE, types: ['key.bogus'] }, 'types must be some of key.expiring'],
    [{ ...ONE, more: 1 }, 'has only url, secret and types'],
    ['x', 'url must be an http'],
  ] as const
  for (const [wrong, text] of second) {
    t.throws(() => load([ONE, wrong]), { message: new RegExp(`WAYBILL_EVENTS: receiver 2: ${text}`) }, text)
    t.throws(() => load([ONE, wrong]), { message: /^(?!.*(token|word|c2hv|bogus))/ })
  }
  t.throws(() => load([ONE, ONE]), { message: /must have each url once/ })
  t.throws(() => load({}), { message: /must be a list/ })
  t.throws(() => load(Array.from({ length: 17 }, (_, n) => ({ ...ONE, url: `${ONE.url}${n}` }))), {
    message: /up to 16/,
  })
})

t.test('what is shown of a receiver has neither its secret nor the path of its URL', async (t) => {
  const shown = JSON.stringify(shownValue(load([ONE]), 'events'))
  t.match(shown, 'https://hooks.example.com')
  t.notMatch(shown, /whsec|token/)
  t.equal(
    shownValue(
      loadConfig({ file: null, env: { WAYBILL_ADMIN_TOKEN: 'a'.repeat(40) }, flags: {} }),
      'admin.token',
    ),
    MASK,
  )
})
