import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ApiClient } from './api-client.ts'
import { exportEntries } from './remote-entries.ts'

/** An API that `answer` is. */
async function serverOf(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('a token goes to the host of the address and no other, whatever slashes its path has', async (t) => {
  const asked: string[] = []
  const origin = await serverOf(t, ({ url = '', headers }, response) => {
    asked.push(`${headers.host} ${headers.authorization} ${url}`)
    response.end('{}')
  })
  const { host } = new URL(origin)
  for (const [path, at] of [
    ['', ''],
    ['//', ''],
    ['///', ''],
    ['//other.example.test/', '//other.example.test'],
    ['/below//', '/below'],
  ] as const) {
    const place = { url: new URL(origin + path), token: 'of-the-place', caFile: null }
    await new ApiClient(place, 60_000).ask('GET', '/tenants')
    t.equal(asked.pop(), `${host} Bearer of-the-place ${at}/api/v1/tenants`, path)
  }
})

t.test('an export may be silent for longer than any other answer', async (t) => {
  let isHeld = true
  const origin = await serverOf(t, ({ url = '' }, response) => {
    // Both are silent: the one in front of its head, the other one within its body.
    if (url.startsWith('/api/v1/tenants')) return
    const finish = (): void => {
      if (isHeld) setImmediate(finish)
      else response.end('{"seq":2}\n')
    }
    if (url.includes('tenant=within')) response.write('{"seq":1}\n')
    finish()
  })
  const api = new ApiClient({ url: new URL(origin), token: null, caFile: null }, 50)
  const read = async (tenant: string): Promise<number> => {
    let n = 0
    for await (const rows of exportEntries(api, { tenant })) n += rows.length
    return n
  }
  const both = Promise.all([read('within'), read('before')])
  // Begun after them, each fails for silence while they go on.
  for (let i = 0; i < 2; i++) await t.rejects(api.ask('GET', '/tenants'), /ETIMEDOUT/)
  isHeld = false
  t.same(await both, [2, 1])
})

t.test('a list is read from the cursor of its query on, each page once', async (t) => {
  const asked: (string | null)[] = []
  const origin = await serverOf(t, ({ url = '' }, response) => {
    const cursor = new URL(url, 'http://x').searchParams.get('cursor')
    asked.push(cursor)
    const n = Number(cursor ?? 0) + 1
    response.end(JSON.stringify({ items: [n], next: n < 4 ? String(n) : null }))
  })
  const api = new ApiClient({ url: new URL(origin), token: null, caFile: null }, 60_000)
  for (const [cursor, pages] of [
    [undefined, [1, 2, 3, 4]],
    ['2', [3, 4]],
  ] as const) {
    const read: number[] = []
    for await (const page of api.pages<number>('/x', { cursor })) read.push(...page)
    t.same(read, pages)
  }
  t.same(asked, [null, '1', '2', '3', '2', '3'])
})
