import t from 'tap'
import { ResponseReader } from './response-reader.ts'

const HEAD = 'HTTP/1.1 200 OK\r\nDate: x\r\n'
const WITH_LENGTH = `${HEAD}Content-Length: 5\r\n\r\nhello`
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`

for (const [what, text] of Object.entries({ WITH_LENGTH, CHUNKED })) {
  t.test(`an answer is complete at its last byte, wherever it is cut: ${what}`, async (t) => {
    const bytes = Buffer.from(text)
    for (let cut = 1; cut < bytes.length; cut++) {
      const reader = new ResponseReader()
      t.equal(reader.take(bytes.subarray(0, cut)), 'more')
      t.equal(reader.take(bytes.subarray(cut)), 'complete')
      t.equal(reader.status, 200)
      t.equal(reader.bodyBytes, 5)
    }
  })
}

t.test('the buffer of a piece may be filled anew', async (t) => {
  const reader = new ResponseReader()
  const bytes = Buffer.from(WITH_LENGTH)
  const piece = Buffer.from(bytes.subarray(0, 20))
  t.equal(reader.take(piece), 'more')
  piece.fill(0)
  t.equal(reader.take(bytes.subarray(20)), 'complete')
})

t.test('answers follow each other on a connection, with and without a body', async (t) => {
  const reader = new ResponseReader()
  t.equal(reader.take(Buffer.from(CHUNKED)), 'complete')
  t.equal(reader.take(Buffer.from('HTTP/1.1 502 Bad\r\ncontent-length:0\r\n\r\n')), 'complete')
  t.equal(reader.status, 502)
  t.equal(reader.bodyBytes, 0)
  t.equal(reader.take(Buffer.from(WITH_LENGTH)), 'complete')
})

t.test('more bytes than announced, and a body of unknown length, are no answers', async (t) => {
  t.equal(new ResponseReader().take(Buffer.from(`${WITH_LENGTH}!`)), 'malformed')
  t.equal(new ResponseReader().take(Buffer.from(`${HEAD}\r\nhello`)), 'malformed')
})
