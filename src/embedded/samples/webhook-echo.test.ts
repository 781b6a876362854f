import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { generatedBytesAt, streamBytes } from './generated-bytes.ts'
import { startWebhookEcho, type Echo } from './webhook-echo.ts'

const errors: unknown[] = []
const server = await startWebhookEcho({ onError: (error) => errors.push(error) })
t.teardown(() => server.close())
const at = (path: string): URL => new URL(path, server.url)
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')

t.test('echoes what it received, headers in their own case, order and number', async (t) => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(
    'PATCH /hooks/a%2fb?x=1&y HTTP/1.1\r\nHost: hooks.test\r\nX-Twice: one\r\nx-twice: two\r\n' +
      'Connection: close\r\nContent-Length: 6\r\n\r\nhéllo',
  )
  const answer = await text(socket)
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  t.same(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), {
    method: 'PATCH',
    path: '/hooks/a%2fb?x=1&y',
    headers: [
      ['Host', 'hooks.test'],
      ['X-Twice', 'one'],
      ['x-twice', 'two'],
      ['Connection', 'close'],
      ['Content-Length', '6'],
    ],
    body: { bytes: 6, sha256: sha256('héllo'), text: 'héllo' },
  })
})

t.test('shows a body only up to 64 KiB and only when it is UTF-8, and hashes all of it', async (t) => {
  const post = async (body: string | Uint8Array): Promise<Echo['body']> => {
    const response = await fetch(at('/'), { method: 'POST', body })
    return ((await response.json()) as Echo).body
  }
  const limit = 'x'.repeat(65_536)
  t.same(await post(limit), { bytes: 65_536, sha256: sha256(limit), text: limit })
  t.same(await post(`${limit}x`), { bytes: 65_537, sha256: sha256(`${limit}x`), text: null })
  t.same(await post(new Uint8Array([0xff])), { bytes: 1, sha256: sha256(Buffer.from([0xff])), text: null })
  t.same(await post(''), { bytes: 0, sha256: sha256(''), text: '' })
})

t.test('hashes a long chunked body', async (t) => {
  const size = 20 * 1024 ** 2
  const response = await fetch(at('/upload'), {
    method: 'PUT',
    body: streamBytes(generatedBytesAt, 0, size),
    duplex: 'half',
  })
  const { body } = (await response.json()) as Echo
  t.same(body, { bytes: size, sha256: sha256(generatedBytesAt(0, size)), text: null })
})

t.test('answers with the status that the path asks for', async (t) => {
  for (const status of [200, 201, 302, 404, 429, 500, 599]) {
    const response = await fetch(at(`/status/${status}?again`), { redirect: 'manual' })
    t.equal(response.status, status)
    t.equal(((await response.json()) as Echo).path, `/status/${status}?again`)
  }
  for (const status of [204, 205, 304]) {
    const response = await fetch(at(`/status/${status}`), { method: 'POST', body: 'read and dropped' })
    t.equal(response.status, status)
    t.equal(response.headers.get('content-length'), status === 205 ? '0' : null)
    t.equal(await response.text(), '')
  }
  for (const code of ['100', '600', 'abc', '']) {
    const response = await fetch(at(`/status/${code}`))
    t.equal(response.status, 400, code)
    await response.text()
  }
})

t.test('HEAD has the head of the answer and no body', async (t) => {
  const response = await fetch(at('/x'), { method: 'HEAD' })
  t.ok(Number(response.headers.get('content-length')) > 100)
  t.equal(await response.text(), '')
})

t.test('an upload that breaks off is no error', async (t) => {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n')
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 100 /)
  socket.destroy()
  await once(socket, 'close')
  t.equal((await fetch(at('/'))).status, 200)
  t.same(errors, [])
})
