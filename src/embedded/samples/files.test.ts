import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { get } from 'node:http'
import t from 'tap'
import { startFiles } from './files.ts'
import { generatedBytesAt } from './generated-bytes.ts'

const errors: unknown[] = []
const server = await startFiles({ onError: (error) => errors.push(error) })
t.teardown(() => server.close())

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(new URL(path, server.url), { headers, method })
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer())

t.test('every file has the size and the checksum that are published', async (t) => {
  const sums = (await (await ask('/SHA256SUMS')).text()).trimEnd().split('\n')
  const seen: [string, string | null][] = []
  for (const line of sums) {
    const [sha256 = '', name = ''] = line.split('  ')
    const response = await ask(`/${name}`)
    t.equal(response.headers.get('accept-ranges'), 'bytes')
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      hash.update(chunk)
      bytes += chunk.length
    }
    t.equal(hash.digest('hex'), sha256, name)
    t.equal(response.headers.get('content-length'), String(bytes), name)
    seen.push([name, response.headers.get('content-length')])
  }
  t.same(seen, [
    ['hello.txt', '42'],
    ['1kb.bin', '1024'],
    ['64kb.bin', '65536'],
    ['1mb.bin', '1048576'],
    ['10mb.bin', '10485760'],
    ['100mb.bin', '104857600'],
  ])
})

t.test('a range is 206 with the bytes of its offsets', async (t) => {
  const middle = await ask('/100mb.bin', { Range: 'bytes=99999999-100000100' })
  t.equal(middle.status, 206)
  t.equal(middle.headers.get('content-range'), 'bytes 99999999-100000100/104857600')
  t.equal(middle.headers.get('content-length'), '102')
  t.ok((await bytesOf(middle)).equals(generatedBytesAt(99_999_999, 102)))

  const suffix = await ask('/hello.txt', { Range: 'bytes=-9' })
  t.equal(suffix.headers.get('content-range'), 'bytes 33-41/42')
  t.equal(await suffix.text(), 'gateway.\n')
})

t.test('a range outside the file is 416 with the size', async (t) => {
  const response = await ask('/1kb.bin', { Range: 'bytes=1024-' })
  t.equal(response.status, 416)
  t.equal(response.headers.get('content-range'), 'bytes */1024')
  await response.text()
})

t.test('a download resumes with If-Range only while the file is the same', async (t) => {
  const head = await ask('/1mb.bin', {}, 'HEAD')
  t.equal(head.headers.get('content-length'), '1048576')
  t.equal((await bytesOf(head)).length, 0)
  const etag = head.headers.get('etag') ?? ''
  const same = await ask('/1mb.bin', { Range: 'bytes=1000000-', 'If-Range': etag })
  t.equal(same.status, 206)
  t.ok((await bytesOf(same)).equals(generatedBytesAt(1_000_000, 48_576)))
  const other = await ask('/1mb.bin', { Range: 'bytes=1000000-', 'If-Range': '"other"' })
  t.equal(other.status, 200)
  t.equal((await bytesOf(other)).length, 1_048_576)
})

t.test('conditions are answered with 304 and 412', async (t) => {
  const head = await ask('/1kb.bin', {}, 'HEAD')
  const etag = head.headers.get('etag') ?? ''
  const lastModified = head.headers.get('last-modified') ?? ''
  const notModified = await ask('/1kb.bin', { 'If-None-Match': etag, Range: 'bytes=0-1' })
  t.equal(notModified.status, 304)
  t.equal(notModified.headers.get('etag'), etag)
  t.equal((await ask('/1kb.bin', { 'If-Modified-Since': lastModified })).status, 304)
  t.equal((await ask('/1kb.bin', { 'If-Match': '"other"' })).status, 412)
})

t.test('the index lists the files, as text or with relative links', async (t) => {
  const text = await (await ask('/')).text()
  t.match(text, /^100mb\.bin +104857600 bytes$/m)
  const html = await ask('/', { Accept: 'text/html' })
  t.match(html.headers.get('content-type'), /^text\/html/)
  t.match(await html.text(), '<a href="1kb.bin">1kb.bin</a>')
})

t.test('writing is 405 with Allow, and an unknown path is 404', async (t) => {
  for (const method of ['PUT', 'POST', 'DELETE']) {
    const response = await ask('/1kb.bin', {}, method)
    t.equal(response.status, 405)
    t.equal(response.headers.get('allow'), 'GET, HEAD')
    await response.text()
  }
  const missing = await ask('/nothing')
  t.equal(missing.status, 404)
  t.same(await missing.json(), { error: 'not found' })
})

t.test('a client that leaves in the middle of a download is no error', async (t) => {
  const request = get(new URL('/100mb.bin', server.url))
  request.on('error', () => {})
  const [response] = await once(request, 'response')
  await once(response, 'readable')
  request.destroy()
  await once(request, 'close')
  t.equal((await ask('/hello.txt')).status, 200)
  t.same(errors, [])
})

t.test('close ends a stalled download', async (t) => {
  const own = await startFiles()
  const request = get(new URL('/100mb.bin', own.url))
  request.on('error', () => {})
  const [response] = await once(request, 'response')
  const failed = once(response, 'error')
  await own.close()
  response.resume()
  t.match(await failed, [{ code: 'ECONNRESET' }])
})
