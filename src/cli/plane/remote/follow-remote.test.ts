import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ApiClient } from './api-client.ts'
import { followRemote } from './follow-remote.ts'

const SINCE = new Date('2026-11-20T00:00:00.000Z')
const CUT = Symbol('the connection breaks off')

const entry = (n: number) => ({ id: `e${n}`, started_at: new Date(SINCE.getTime() + n).toISOString() })

/**
 * Follows an API of which each export is the next of `exports`: the numbers of entries, in the end perhaps a break. Each stream says that it
 * listens, then has entry 900. `enough`: with so many entries it is ended.
 */
async function follow(t: Test, exports: readonly (readonly (number | symbol)[])[], enough: number) {
  const left = [...exports]
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://x')
    asked.push(`${pathname.slice('/api/v1/entries/'.length)} ${searchParams.get('since')}`)
    if (pathname.endsWith('/stream')) {
      response.write('id: 1\n\n')
      response.write(`event: entry\nid: 2\ndata: ${JSON.stringify(entry(900))}\n\n`)
    } else sendExport(response, left.shift() ?? [CUT])
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const api = new ApiClient({ url, token: null, caFile: null }, 60_000)
  const ended = new AbortController()
  const ids: string[] = []
  const rows = followRemote(api, { since: SINCE }, { signal: ended.signal, say: () => {}, retryMs: 1 })
  const done = (async () => {
    for await (const page of rows) {
      ids.push(...page.map(({ id }) => id))
      if (ids.length >= enough) ended.abort()
    }
  })()
  return { done, ids, asked }
}

function sendExport(response: ServerResponse, parts: readonly (number | symbol)[]): void {
  const text = parts.map((n) => (typeof n === 'number' ? `${JSON.stringify(entry(n))}\n` : '')).join('')
  if (!parts.includes(CUT)) response.end(text)
  else if (text === '') response.destroy()
  else response.write(text, () => setImmediate(() => response.destroy()))
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

t.test('what was stored before is read whole, once, though its reading breaks off', async (t) => {
  for (const [exports, name] of [
    [[[CUT], upTo(3)], 'before the first entry'],
    [[[CUT], [CUT], [CUT], upTo(3)], 'several times'],
    [[[0, 1, CUT], upTo(3)], 'within'],
  ] as const) {
    const { done, ids } = await follow(t, exports, 4)
    await done
    t.same(ids, ['e0', 'e1', 'e2', 'e900'], name)
  }
})

t.test('a long past is read on from where its reading broke off', async (t) => {
  const { done, ids, asked } = await follow(t, [[...upTo(700), CUT], upTo(800).slice(499)], 801)
  await done
  t.equal(new Set(ids).size, 801)
  t.equal(ids.length, 801)
  t.same(asked, [
    'stream null',
    `export ${SINCE.toISOString()}`,
    'stream null',
    // 500 were handed on; the last of them may have others of its millisecond.
    `export ${entry(499).started_at}`,
  ])
})

t.test('a stream that always ends before it begins is given up', async (t) => {
  let asked = 0
  const server = createServer((_, response) => {
    // The first one begins.
    response.end(asked++ === 0 ? 'id: 1\n\n' : '')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const api = new ApiClient({ url, token: null, caFile: null }, 60_000)
  const rows = followRemote(api, {}, { signal: new AbortController().signal, say: () => {}, retryMs: 1 })
  await t.rejects(rows.next(), /ends before it begins/)
  t.equal(asked, 7)
})

t.test('a past that can never be read is given up with the reason, though each stream begins', async (t) => {
  const { done, ids, asked } = await follow(t, [], 1)
  await t.rejects(done, /cannot be reached/)
  t.same(ids, [])
  t.equal(asked.filter((one) => one.startsWith('export')).length, 6)
})
