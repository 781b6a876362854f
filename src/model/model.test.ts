import { assert, integer, property, string } from 'fast-check'
import t from 'tap'
import { capText } from './access-entry.ts'
import { digestKey, isWellFormedKey, keyIdOf, maskKeys, mintKey } from './api-key.ts'
import { parseDatabaseUrl } from './database-target.ts'
import { parseDurationMs } from './duration.ts'
import { compileNetworks, isInNetworks, networkProblem, plainAddress } from './network.ts'
import { OUTCOMES, OUTCOME_NAMES, statusOf } from './outcome.ts'
import { compileScopes, permits, scopeProblem } from './scope.ts'
import { slugProblem } from './slug.ts'
import {
  changedSettings,
  INITIAL_SETTINGS,
  isSameSettings,
  rateForRoute,
  settingsOfRow,
  settingsToRow,
  type TenantChanges,
} from './tenant-settings.ts'

t.test('a minted key is well formed, and not with any character changed', async (t) => {
  const { id, text, digest } = mintKey()
  t.ok(isWellFormedKey(text))
  t.equal(keyIdOf(text), id)
  t.equal(digestKey(text), digest)
  t.match(digest, /^[0-9a-f]{64}$/)
  for (let i = 0; i < text.length; i++) {
    const other = text[i] === 'a' ? 'b' : 'a'
    t.notOk(isWellFormedKey(text.slice(0, i) + other + text.slice(i + 1)), `changed at ${i}`)
  }
  t.equal(maskKeys(`see ${text}, ${text}!`), `see wb_${id}_***, wb_${id}_***!`)
})

t.test('no text but a key is a key', async () => {
  assert(
    property(string({ maxLength: 80 }), (text) => !isWellFormedKey(text) && !isWellFormedKey(`wb_${text}`)),
  )
})

t.test('a capped text is no longer than its cap and says what was cut', async () => {
  assert(
    property(string({ maxLength: 300 }), integer({ min: 20, max: 200 }), (text, max) => {
      const capped = capText(text, max)
      return text.length <= max
        ? capped === text
        : capped.length === max && capped.endsWith(`…+${text.length - max}`)
    }),
  )
})

t.test('networks: valid ones compile and contain what they should', async (t) => {
  for (const text of ['10.0.0.0/8', '10.0.0.1', '2001:db8::/32', '::1', '0.0.0.0/0', '::/0'])
    t.equal(networkProblem(text), null, text)
  for (const text of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    'fe80::1%eth0',
    '2001:db8::/129',
    'host',
    '1.2.3.4/8/8',
    '1.2.3.4/a',
  ])
    t.type(networkProblem(text), 'string', text)
  const list = compileNetworks(['10.0.0.0/8', '2001:db8::/32'])
  t.not(list, null)
  if (list === null) return
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1'])
    t.ok(isInNetworks(list, address), address)
  for (const address of ['11.0.0.1', '::1', '2001:db9::1', '']) t.notOk(isInNetworks(list, address), address)
  t.equal(compileNetworks([]), null)
  t.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
})

t.test('scopes grant what they name and nothing else', async (t) => {
  for (const scope of ['npm:read', 'npm:write', 'npm:*', '*:read', '*:*'])
    t.equal(scopeProblem(scope), null, scope)
  for (const scope of ['', 'npm', 'npm:', ':read', 'npm:admin', 'N:read', 'npm:read ', '**:read', 'a:b:read'])
    t.type(scopeProblem(scope), 'string', scope)
  const scopes = compileScopes(['npm:read', 'pypi:*', 'bad', '*:write'])
  t.same(
    [
      permits(scopes, 'npm', 'read'),
      permits(scopes, 'npm', 'write'),
      permits(scopes, 'pypi', 'read'),
      permits(scopes, 'oci', 'read'),
      permits(scopes, 'oci', 'write'),
    ],
    [true, true, true, false, true],
  )
})

t.test('durations have one form', async (t) => {
  for (const [text, ms] of [
    ['250ms', 250],
    ['90s', 90_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['90d', 7_776_000_000],
    ['2w', 1_209_600_000],
    ['0s', 0],
  ] as const)
    t.equal(parseDurationMs(text), ms, text)
  for (const text of ['', '1', 's', '-1s', '1.5s', '1 s', '1S', '9999999d', '1s1s'])
    t.equal(parseDurationMs(text), null, text)
})

t.test('slugs are what the contract says', async (t) => {
  for (const slug of ['a', '0', 'a-b', 'a'.repeat(63)]) t.equal(slugProblem(slug), null, slug)
  for (const slug of ['', '-a', 'A', 'a_b', 'a'.repeat(64), 'a\n', 'é'])
    t.type(slugProblem(slug), 'string', slug)
})

t.test('every outcome has a status of its source', async (t) => {
  for (const name of OUTCOME_NAMES) {
    const { status, source } = OUTCOMES[name]
    if (source === 'upstream') t.equal(status, 0)
    else t.ok((status >= 400 && status < 600) || name === 'answered' || name === 'accepted', name)
  }
  t.equal(statusOf('bad_request', 'headers_too_large'), 431)
  t.equal(statusOf('bad_request', 'framing'), 400)
})

t.test('a database URL is taken apart, and never quoted when it is wrong', async (t) => {
  t.same(parseDatabaseUrl('postgres://u%40x:p%2F@h:1/d?sslmode=require'), {
    host: 'h',
    port: 1,
    user: 'u@x',
    password: 'p/',
    database: 'd',
    tls: 'require',
  })
  t.match(parseDatabaseUrl('postgresql://u@[::1]/'), {
    host: '::1',
    port: 5432,
    database: 'u',
    password: null,
    tls: 'disable',
  })
  t.match(parseDatabaseUrl('postgres://u@localhost/d?host=/run/pg'), { host: '/run/pg' })
  for (const text of [
    '',
    'mysql://u:secret@h/d',
    'postgres://',
    'postgres://:secret@h/d',
    'postgres://u:secret@h/d?sslmode=maybe',
    'postgres://u:secret@h:99999/d',
  ]) {
    try {
      parseDatabaseUrl(text)
      t.fail(text)
    } catch (error) {
      t.type(error, RangeError)
      t.notMatch(String(error), 'secret')
    }
  }
})

t.test('R19: what a database URL says is honoured, or refused by name', async (t) => {
  for (const [text, message] of [
    ['postgres://u:secret@h/d?sslmod=verify-full', /sslmod is refused: unknown/],
    ['postgres://u:secret@h/d?sslmode=prefer', /sslmode must be one of/],
    ['postgres://u:secret@h/d?sslmode=require&sslmode=disable', /sslmode is given twice/],
    ['postgres://u:secret@h/d?sslrootcert=/ca.pem', /sslrootcert .*NODE_EXTRA_CA_CERTS/],
    ['postgres://u:secret@h/d?channel_binding=require', /channel_binding/],
    ['postgres://u:secret@h/d?options=-c%20x%3D1', /options/],
    ['postgres://u:secret@h/d?target_session_attrs=read-write', /target_session_attrs/],
    ['postgres://u:secret@h/d?application_name=x', /application_name/],
    ['postgres://u:secret@h1,h2/d', /several hosts/],
    ['postgres://u:secret@h1:5432,h2:5433/d', /several hosts/],
    ['postgres://u:secret@h/d?host=h1,h2', /several hosts/],
    ['postgres://u:secret@h/d?port=x', /port must be/],
    ['postgres://u:p%2@h/d', /two hexadecimal digits/],
    ['postgres://u:p?secret=x@h/d', /refused|host|look like/],
  ] as const) {
    t.throws(() => parseDatabaseUrl(text), { name: 'RangeError', message }, text)
    t.throws(() => parseDatabaseUrl(text), { message: /^(?!.*secret)/ })
  }
  t.match(parseDatabaseUrl('postgres:///?host=/run/pg&user=u&password=p&port=6543&dbname=d'), {
    host: '/run/pg',
    user: 'u',
    password: 'p',
    port: 6543,
    database: 'd',
    tls: 'disable',
  })
})

t.test('a setting of a tenant survives its columns, and its change is seen', async (t) => {
  const rate = { perSecond: 0.1, burst: 3 }
  const changes: TenantChanges[] = [
    { rateLimit: rate },
    { routeRateLimits: { constructor: rate } },
    { maxConcurrency: 4 },
    { logPolicy: 'strict' },
  ]
  t.same(settingsOfRow(settingsToRow(INITIAL_SETTINGS)), INITIAL_SETTINGS)
  for (const change of changes) {
    const after = changedSettings(INITIAL_SETTINGS, change)
    t.match(after, change)
    t.notOk(isSameSettings(INITIAL_SETTINGS, after))
    t.ok(isSameSettings(after, structuredClone(after)))
    t.same(settingsOfRow(structuredClone(settingsToRow(after))), after)
    t.same(changedSettings(after, {}), after, 'what is not named stays')
  }
  const routed = changedSettings(INITIAL_SETTINGS, { routeRateLimits: { npm: rate, pypi: rate } })
  const fewer = changedSettings(routed, { routeRateLimits: { npm: null } })
  t.same(fewer.routeRateLimits, { pypi: rate })
  t.notOk(isSameSettings(routed, fewer))
  t.notOk(isSameSettings(fewer, routed))
})

t.test('a route named like a property of every object has no rate unless it was given one', async (t) => {
  const rate = { perSecond: 1, burst: 1 }
  t.equal(rateForRoute({}, 'constructor'), undefined)
  t.equal(rateForRoute({ constructor: rate }, 'constructor'), rate)
})
