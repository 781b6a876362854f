import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { curlClient, type Curl, type CurlAnswer } from './harness/curl.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { startUpstream, type UpstreamHandler } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const PUBLIC = 'http://images.example.com'
const LAYER = 'the layer'
const DIGEST = `sha256:${createHash('sha256').update(LAYER).digest('hex')}`
const MANIFEST = '{"schemaVersion":2}'
const TYPE = 'application/vnd.oci.image.manifest.v1+json'

/** A registry with the repositories `app` and `base`, which writes addresses as Distribution does: whole ones, at the host that it is told of. */
async function startRegistry(t: Test): Promise<string> {
  const kept = new Map<string, Buffer>()
  const own = ({ headers }: Parameters<UpstreamHandler>[0], path: string): string =>
    `${String(headers['x-forwarded-proto'])}://${String(headers['x-forwarded-host'])}${path}`
  const thing: UpstreamHandler = async (req, res, { pathname }) => {
    if (req.method === 'PUT') {
      kept.set(pathname, await buffer(req))
      res.writeHead(201, { location: own(req, pathname) }).end()
      return
    }
    const content = kept.get(pathname)
    if (content === undefined) res.writeHead(404).end()
    else res.writeHead(200, { 'content-type': TYPE }).end(req.method === 'HEAD' ? undefined : content)
  }
  const handlers: Record<string, UpstreamHandler> = {}
  for (const name of ['app', 'base']) {
    const at = `/v2/${name}`
    handlers[`${at}/manifests/1`] = thing
    handlers[`${at}/blobs/${DIGEST}`] = thing
    handlers[`${at}/blobs/uploads/`] = (req, res, { searchParams }) => {
      const from = kept.get(`/v2/${searchParams.get('from') ?? ''}/blobs/${searchParams.get('mount') ?? ''}`)
      if (from === undefined) res.writeHead(202, { location: own(req, `${at}/blobs/uploads/u`) }).end()
      else {
        kept.set(`${at}/blobs/${DIGEST}`, from)
        res.writeHead(201, { location: own(req, `${at}/blobs/${DIGEST}`) }).end()
      }
    }
    handlers[`${at}/blobs/uploads/u`] = async (req, res) => {
      kept.set(`${at}/blobs/${DIGEST}`, await buffer(req))
      res.writeHead(201, { location: own(req, `${at}/blobs/${DIGEST}`) }).end()
    }
  }
  return `${(await startUpstream(t, handlers)).url}v2/`
}

/** Asks a gateway by the name that clients know. */
type Ask = (gateway: TestGateway, path: string, ...args: string[]) => Promise<CurlAnswer>

function asker(curl: Curl): Ask {
  return (gateway, path, ...args) => {
    const { host } = new URL(gateway.proxyUrl)
    return curl.get('--connect-to', `::${host}`, ...args, `${PUBLIC}${path}`)
  }
}

const bearer = (token: string): string[] => ['--header', `Authorization: Bearer ${token}`]

function tokenIn({ status, body }: CurlAnswer): string {
  if (status !== 200) throw new Error(`no token: ${status} ${body.toString()}`)
  return (JSON.parse(body.toString()) as { token: string }).token
}

t.test('registries’ clients ping, log in, push, mount and pull at two gateways', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startRegistry(t)
  const config = {
    publicUrl: PUBLIC,
    routes: [{ name: 'images', kind: 'oci', path: '/v2/images/', upstream }],
    accessLog: { flushIntervalMs: 100 },
  }
  const first = await startGateway(t, { databaseUrl: db.url, config })
  const second = await startGateway(t, { databaseUrl: db.url, config })
  const curl = await curlClient(t)
  await writeFile(join(curl.folder, 'layer'), LAYER)
  await writeFile(join(curl.folder, 'manifest'), MANIFEST)
  const ask = asker(curl)
  /** A key that both gateways know. */
  const mint = async (tenant: string): Promise<string> => {
    const minted = await first.mint({ tenant, scopes: ['images:*'], flags: ['--create-tenant'] })
    await untilTrue('the other gateway knows the new key', async () => {
      return (await ask(second, '/v2/', ...bearer(minted))).status === 200
    })
    return minted
  }
  const key = await mint('acme')
  /** As docker asks, by what the challenge says. */
  const login = async (gateway: TestGateway, scopes: string[], presented = key): Promise<CurlAnswer> => {
    const query = ['service=images.example.com', ...scopes.map((scope) => `scope=repository:${scope}`)]
    return ask(gateway, `/v2/token?${query.join('&')}`, '--user', `me:${presented}`)
  }

  await t.test('a challenge leads to a token, and it is good at the other gateway', async (t) => {
    const ping = await ask(first, '/v2/')
    t.equal(ping.status, 401)
    t.equal(ping.fields.get('docker-distribution-api-version'), 'registry/2.0')
    const pull = await ask(first, '/v2/images/app/manifests/1', '--head')
    t.equal(pull.status, 401)
    t.equal((await login(first, ['images/app:pull'], `${key}x`)).status, 401)
    const token = tokenIn(await login(first, ['images/app:pull']))
    t.equal((await ask(second, '/v2/', ...bearer(token))).status, 200)
    t.equal((await ask(second, '/v2/images/app/manifests/1', ...bearer(token))).status, 404)
  })

  await t.test('a push goes through both, by the addresses that it is given', async (t) => {
    const token = bearer(tokenIn(await login(second, ['images/base:pull,push'])))
    const begun = await ask(first, '/v2/images/base/blobs/uploads/', '--request', 'POST', ...token)
    t.equal(begun.status, 202)
    t.equal(begun.fields.get('location'), '/v2/images/base/blobs/uploads/u')
    const bytes = ['--upload-file', 'layer', ...token]
    const done = await ask(second, `/v2/images/base/blobs/uploads/u?digest=${DIGEST}`, ...bytes)
    t.equal(done.status, 201)
    t.equal(done.fields.get('location'), `/v2/images/base/blobs/${DIGEST}`)
  })

  const push = ['images/app:pull,push']
  await t.test('a mount needs a token that may pull what it names', async (t) => {
    const path = `/v2/images/app/blobs/uploads/?mount=${DIGEST}&from=images/base`
    const post = ['--request', 'POST']
    const blind = await ask(first, path, ...post, ...bearer(tokenIn(await login(first, push))))
    t.equal(blind.status, 202)
    const token = tokenIn(await login(first, [...push, 'images/base:pull']))
    const mounted = await ask(first, path, ...post, ...bearer(token))
    t.equal(mounted.status, 201)
    t.equal(mounted.fields.get('location'), `/v2/images/app/blobs/${DIGEST}`)
  })

  await t.test('containerd pulls by POST, without a ping', async (t) => {
    const put = ['--upload-file', 'manifest', '--header', `Content-Type: ${TYPE}`]
    const token = tokenIn(await login(first, push))
    t.equal((await ask(first, '/v2/images/app/manifests/1', ...put, ...bearer(token))).status, 201)
    const form = [
      'grant_type=password&service=images.example.com&client_id=containerd-client&username=me',
      `password=${key}`,
      'scope=repository%3Aimages%2Fapp%3Apull',
    ]
    const pulls = bearer(tokenIn(await ask(second, '/v2/token', '--data', form.join('&'))))
    t.equal((await ask(second, '/v2/images/app/manifests/1', ...pulls)).body.toString(), MANIFEST)
    t.equal((await ask(first, `/v2/images/app/blobs/${DIGEST}`, ...pulls)).body.toString(), LAYER)
    t.equal((await ask(first, '/v2/images/app/manifests/1', ...put, ...pulls)).status, 401)
  })

  const manifest = '/v2/images/app/manifests/1'
  await t.test('a key that is revoked takes its tokens with it, at once and everywhere', async (t) => {
    const other = await mint('other')
    const token = bearer(tokenIn(await login(first, ['images/app:pull'], other)))
    for (const gateway of [first, second]) t.equal((await ask(gateway, manifest, ...token)).status, 200)
    await first.must('keys', 'revoke', other.slice(3, 15), '--wait')
    for (const gateway of [first, second]) t.equal((await ask(gateway, manifest, ...token)).status, 401)
    t.equal((await login(second, ['images/app:pull'], other)).status, 401)
  })

  await t.test('signers rotate without a token refused, and with all of them after a theft', async (t) => {
    const token = bearer(tokenIn(await login(first, ['images/app:pull'])))
    await first.must('keys', 'signing', 'rotate')
    for (const gateway of [first, second]) t.equal((await ask(gateway, manifest, ...token)).status, 200)
    await first.must('keys', 'signing', 'rotate', '--now')
    for (const gateway of [first, second]) {
      await untilTrue('the token is refused', async () => {
        return (await ask(gateway, manifest, ...token)).status === 401
      })
    }
    await untilTrue('both know the new signer', async () => {
      const fresh = bearer(tokenIn(await login(first, ['images/app:pull'])))
      return (await ask(second, manifest, ...fresh)).status === 200
    })
  })

  await waitForEntries(db, 20)
  const rows = await db.query<{ text: string }>('SELECT a::text AS text FROM access_log AS a')
  t.notMatch(rows.map(({ text }) => text).join('\n'), key.slice(16), 'no entry has the key')
})
