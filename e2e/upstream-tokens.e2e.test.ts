import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'

const LOGIN = `Basic ${Buffer.from('reader:upstream-secret').toString('base64')}`

t.test('a registry with a token server is used with nothing but a key', async (t) => {
  const db = await testDatabase(t)
  const issued = new Map<string, string>()
  const received: string[] = []
  const tokenServer = await startUpstream(t, {
    '/token': (req, res, url) => {
      const scope = url.searchParams.getAll('scope').join(' ')
      if (req.headers.authorization !== LOGIN || scope.includes('secret/')) {
        res.writeHead(401).end()
        return
      }
      const token = `token-${issued.size}`
      issued.set(token, scope)
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ token, expires_in: 300 }))
    },
  })
  /** Whether the request bears a token of this scope; challenges it otherwise. */
  const isLet = (req: IncomingMessage, res: ServerResponse, scope: string): boolean => {
    const token = req.headers.authorization?.replace('Bearer ', '') ?? ''
    if (issued.get(token) === scope) return true
    const challenge = `Bearer realm="${tokenServer.url}token",service="registry"`
    res.setHeader('www-authenticate', scope === '' ? challenge : `${challenge},scope="${scope}"`)
    res.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
    return false
  }
  const registry = await startUpstream(t, {
    '/v2/': (req, res) => {
      if (isLet(req, res, '')) res.end('{}')
    },
    '/v2/team/app/manifests/1': (req, res) => {
      if (isLet(req, res, 'repository:team/app:pull')) res.end('manifest')
    },
    '/v2/secret/app/manifests/1': (req, res) => {
      if (isLet(req, res, 'repository:secret/app:pull')) res.end('manifest')
    },
    '/v2/team/app/blobs/uploads/1': async (req, res) => {
      if (!isLet(req, res, 'repository:team/app:pull,push')) return
      const hash = createHash('sha256')
      for await (const bytes of req) hash.update(bytes as Buffer)
      received.push(hash.digest('hex'))
      res.writeHead(202).end()
    },
  })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      workers: 1,
      routes: [
        {
          name: 'hub',
          kind: 'oci',
          path: '/v2/hub/',
          upstream: `${registry.url}v2/`,
          upstreamAuth: { basic: { user: 'reader', password: 'upstream-secret' } },
          upstreamTokens: { hosts: [tokenServer.url.replace(/\/$/, '')] },
        },
      ],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['hub:*'] })
  const authorization = `Bearer ${key}`
  const ask = (path: string, more: RequestInit = {}): Promise<Response> =>
    fetch(`${gateway.proxyUrl}/v2/hub/${path}`, { headers: { authorization }, ...more })

  const body = Buffer.alloc(3 * 1024 * 1024, 'layer')
  const upload = await ask('team/app/blobs/uploads/1', { method: 'PATCH', body })
  t.equal(upload.status, 202, 'an upload streams with a token that was fetched before')
  t.same(received, [createHash('sha256').update(body).digest('hex')])
  for (let i = 0; i < 5; i++) t.equal(await (await ask('team/app/manifests/1')).text(), 'manifest')
  t.equal(tokenServer.counts.get('/token'), 2, 'one token to push, one to pull')
  const refused = await ask('secret/app/manifests/1')
  t.equal(refused.status, 502)
  t.equal(refused.headers.get('www-authenticate'), null)
  t.notMatch(await refused.text(), /upstream-secret|token-/)

  await waitForEntries(db, 7)
  const rows = await db.query(
    `SELECT status, reason, count(*)::int AS n FROM access_log GROUP BY status, reason ORDER BY status`,
  )
  t.strictSame(rows, [
    { status: 200, reason: null, n: 5 },
    { status: 202, reason: null, n: 1 },
    { status: 502, reason: 'upstream_auth', n: 1 },
  ])
  t.notMatch(JSON.stringify(await db.query('SELECT * FROM access_log')), /upstream-secret|token-\d/)
})
