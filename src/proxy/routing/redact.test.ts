import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { DEFAULT_RULES } from '../../model/route-rules.ts'
import { redactPath } from './redact.ts'
import { startGateway, testRoute } from '../../test/gateway.ts'

const SECRET = 's3cret'
const NAMES = [
  'token',
  'access_token',
  'access-token',
  'accessToken',
  'ACCESS.TOKEN',
  'accesstoken',
  'x-api-key',
  'api-key',
  'apiKey',
  'api_key',
  'apikey',
  'APIKEY',
  'key',
  'client-secret',
  'client_secret',
  'clientSecret',
  'secret',
  '%74oken',
  '%54OKEN',
  'to%6Ben',
  '%2574oken',
  'user[password]',
  'user%5Bpassword%5D',
  'db.passwd',
  'pwd',
  'pass',
  'X-Amz-Signature',
  'X-Amz-Credential',
  'X-Amz-Security-Token',
  'X-Goog-Signature',
  'AWSAccessKeyId',
  'sig',
  'Signature',
  'code',
  'state',
  'id_token_hint',
  'client_assertion',
  'SAMLResponse',
  'session',
  'sessionId',
  'jsessionid',
  'PHPSESSID_key',
  'auth',
  'authorization',
  'auth_code',
  'jwt',
  'private_token',
  'refreshToken',
  'otp',
  'webhook-secret',
  'my.signing.key',
  'licensekey',
  'subscriptionkey',
  'AppKey',
  'consumerKey',
  'keys',
  'tokens[0]',
  'cookies',
  'HTTPAuth',
  'userpass',
  'oldpwd',
  'passcode',
  'user_code',
  'PHPSESSID',
  'RelayState',
  'mfa',
]

t.test('R22: parameters are told by their words, however they are spelled and separated', async (t) => {
  for (const name of NAMES) {
    for (const query of [`?${name}=${SECRET}`, `?a=1&${name}=${SECRET}&b=2`, `?a=1;${name}=${SECRET};b=2`]) {
      const kept = redactPath('/r/x', query)
      t.notMatch(kept, SECRET, query)
      if (query.startsWith('?a=1')) t.match(kept, /a=1.*b=2/, 'the others stay')
    }
    t.notMatch(redactPath(`/r/x;${name}=${SECRET}/y`, ''), SECRET, `;${name}`)
    t.notMatch(redactPath(`/r/x%3B${name}%3D${SECRET}/y`, ''), SECRET, `%3B${name}`)
    const nested = encodeURIComponent(`https://example.com/cb?${name}=${SECRET}`)
    t.notMatch(redactPath('/r/x', `?next=${nested}`), SECRET, `nested ${name}`)
    t.notMatch(redactPath('/r/x', `?next=${encodeURIComponent(nested)}`), SECRET, `nested twice ${name}`)
    t.notMatch(redactPath('/r/x', `?next=https://example.com/?${name}=${SECRET}`), SECRET, `bare ${name}`)
    t.notMatch(redactPath(`http://u:pw@gw/r/x?a=1&${name}=${SECRET}#f`, ''), /s3cret|pw@/, `refused ${name}`)
    t.notMatch(redactPath(`/r/x?a=1#${name}=${SECRET}`, ''), SECRET, `fragment ${name}`)
  }
})

t.test('R22: a secret is masked to its end, and in whatever a value is written in', async (t) => {
  for (const [query, kept] of [
    ['?password=ab;s3cret', '?password=***'],
    ['?password=ab;cd;s3cret&x=1', '?password=***&x=1'],
    ['?password=ab;cd;e=1', '?password=***;e=1'],
    ['?token=a?s3cret', '?token=***'],
    ['?token=a?b=s3cret&x=1', '?token=***&x=1'],
    ['?filter={"password":"s3cret"}', '?filter=***'],
    ["?f={'accessToken':'s3cret'}", '?f=***'],
    ['?f={clientSecret:s3cret}', '?f=***'],
    ['?f=%7B%22a%22%3A1%2C%22api_key%22%3A%22s3cret%22%7D', '?f=***'],
    ['?f=%257B%2522token%2522%253A%2522s3cret%2522%257D', '?f=***'],
    ['?x=<password>s3cret</password>', '?x=***'],
    ['?x=%3Cpassword%3Es3cret%3C/password%3E', '?x=***'],
    ['?h=Bearer+s3cretvalue', '?h=***'],
    ['?Bearer%20s3cretvalue', '?***'],
    ['?u=//me:s3cret@example.com/', '?u=//***@example.com/'],
    ['?u=https:/me:s3cret@example.com/', '?u=https:/***@example.com/'],
    ['?u=https:%5C%5Cme:s3cret@example.com', '?u=***'],
  ] as const)
    t.equal(redactPath('/r/x', query), `/r/x${kept}`, query)
  const npm = testRoute(1, { kind: 'npm' })
  t.equal(redactPath('/r/-/user/token/s3cret', '', npm), '/r/-/user/token/***')
  t.equal(redactPath('/r/-/npm/v1/tokens/token/s3cret', '', npm), '/r/-/npm/v1/tokens/token/***')
  t.equal(redactPath('/r/-/npm/v1/tokens', '', npm), '/r/-/npm/v1/tokens')
})

t.test('R22: what is no secret stays as it was', async (t) => {
  for (const [path, query] of [
    ['/npm/@scope%2fname', '?write=true'],
    ['/r/monkey=1;v=2', '?author=me&page=2&keyboard=us&design=x&zip_code=1&country-code=de'],
    ['/r/%E2%82%AC%20x', '?q=caf%C3%A9&next=%2Fa%3Fb%3Dc'],
    ['/v2/x/manifests/sha256:abc', '?n=100&last=x'],
    ['/r/a=b', '?flag&empty=&token='],
    ['/npm//@scope/name', '?q=is:open+state:closed&sort=token:asc'],
    ['/r/{a}/x', '?f={"name":"x","page":2}&ids={1,2}&turkey=1&hockey=2'],
    ['/r/a;b;c', '?x=1;y;z=2&u=https://example.com/a@b&t=bearer'],
    ['/r/name:tag@sha256:abc', '?html=<b>x</b>'],
  ] as const)
    t.equal(redactPath(path, query), path + query)
})

t.test('R22: tokens, user information and keys are told by their looks', async (t) => {
  const jwt = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.${SECRET}x`
  t.equal(redactPath(`/r/${jwt}/x`, `?q=${jwt}`), '/r/***/x?q=***')
  t.notMatch(redactPath('/r/x', '?u=https://me:s3cret@example.com/'), SECRET)
  t.notMatch(redactPath('/r/x', '?u=https%3A%2F%2Fme%3As3cret%40example.com%2F'), SECRET)
  t.notMatch(redactPath('/r/https%3A%2F%2Fme%3As3cret%40example.com%2Fx', ''), SECRET)
  t.notMatch(redactPath('http://me:s3cret@gw/r/', ''), SECRET)
  const key = mintKey()
  t.equal(redactPath(`/r/${key.text}`, ''), `/r/wb_${key.id}_***`)
})

t.test('R22: a route says where secrets stand in its paths, and how its parameters are called', async (t) => {
  const redactPathOf = ['/bot{secret}/', '/services/*/*/{secret}', '/a/{secret}/b/{secret}']
  const route = testRoute(1, { rules: { ...DEFAULT_RULES, redactPath: redactPathOf, redactQuery: ['p1'] } })
  for (const [path, kept] of [
    ['/r/bot123:s3cret/sendMessage', '/r/bot***/sendMessage'],
    ['/r/services/T1/B2/s3cret', '/r/services/T1/B2/***'],
    ['/r/services/T1/B2/s3cret/more', '/r/services/T1/B2/***/more'],
    ['/r/a/s3cret/b/s3cret', '/r/a/***/b/***'],
    ['/r/other/x', '/r/other/x'],
    ['/r/%62ot123:s3cret/sendMessage', '/r/***'],
    ['/r/./services/T1/B2/s3cret', '/r/***'],
  ] as const)
    t.equal(redactPath(path, '', route), kept, path)
  t.equal(redactPath('/r/x', '?P1=s3cret&p2=x', route), '/r/x?P1=***&p2=x')
})

t.test('R22: entries of requests in every state hold no secret', async (t) => {
  const gateway = await startGateway(t)
  for (const target of [
    '/r/x?api-key=s3cret',
    '/none?%74oken=s3cret',
    'http://u:s3cret@gw/r/x',
    '/r/x;token=s3cret',
  ]) {
    const client = await gateway.client()
    client.send(`GET ${target} HTTP/1.1\r\nHost: gw\r\n\r\n`)
    await client.message()
  }
  await gateway.quiet()
  t.equal(gateway.entries.length, 4)
  t.notMatch(JSON.stringify(gateway.entries), SECRET)
})

t.test('R22: a Host that is none is kept without the credentials in it', async (t) => {
  const gateway = await startGateway(t)
  for (const host of [
    'me:s3cret@gw',
    'me:x@s3cret@gw:80',
    'gw?token=s3cret',
    'gw/;token=s3cret',
    'gw, u:s3cret@h',
  ]) {
    const client = await gateway.client()
    client.send(`GET /r/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    t.equal((await client.message()).status, 400, host)
  }
  await gateway.quiet()
  t.equal(gateway.entries.length, 5)
  t.match(gateway.entries[0], { host: '***@gw', reason: 'host' })
  t.notMatch(JSON.stringify(gateway.entries), SECRET)
})
