import { Writable } from 'node:stream'
import t from 'tap'
import { writeOut } from './output.ts'

t.test('waits until a slow reader wants more', async (t) => {
  let release = (): void => {}
  const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void (release = done) })
  let isWritten = false
  const writing = writeOut(stream, 'abc').then(() => void (isWritten = true))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(isWritten, false)
  release()
  await writing
  t.equal(stream.listenerCount('drain') + stream.listenerCount('error') + stream.listenerCount('close'), 0)
})

for (const [code, expected] of [
  ['EPIPE', 'WAYBILL_OUTPUT_CLOSED'],
  ['ENOSPC', 'WAYBILL_COMMAND'],
] as const) {
  t.test(`${code} rejects with ${expected}, at the write that meets it and ever after`, async (t) => {
    const error = Object.assign(new Error('no'), { code })
    const stream = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => void setImmediate(done, error),
    })
    stream.on('error', () => {})
    await t.rejects(writeOut(stream, 'abc'), { code: expected })
    await t.rejects(writeOut(stream, 'abc'), { code: expected })
  })
}

t.test('a stream that was closed under us is a reader that has gone', async (t) => {
  const stream = new Writable({ highWaterMark: 1, write: () => {} })
  const writing = writeOut(stream, 'abc')
  stream.destroy()
  await t.rejects(writing, { code: 'WAYBILL_OUTPUT_CLOSED' })
})
