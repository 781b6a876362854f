import { once } from 'node:events'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as fc from 'fast-check'
import t from 'tap'
import { generatedBytesAt, streamBytes } from './generated-bytes.ts'

t.test('the same offset always has the same byte, whatever the range', async () => {
  const whole = generatedBytesAt(0, 4096)
  fc.assert(
    fc.property(fc.nat(4096), fc.nat(4096), (a, b) => {
      const [from, to] = a < b ? [a, b] : [b, a]
      return generatedBytesAt(from, to - from).equals(whole.subarray(from, to))
    }),
  )
})

t.test('a stream gives exactly the range that was asked for', async (t) => {
  const chunks = (await streamBytes(generatedBytesAt, 3, 200_001).toArray()) as Buffer[]
  t.ok(Buffer.concat(chunks).equals(generatedBytesAt(3, 200_001)))
  t.same(await streamBytes(generatedBytesAt, 3, 0).toArray(), [])
})

t.test('a reader that does not read makes a stream generate a few chunks and no more', async (t) => {
  let generatedBytes = 0
  const source = streamBytes(
    (offset, length) => {
      generatedBytes += length
      return generatedBytesAt(offset, length)
    },
    0,
    100 * 1024 ** 2,
  )
  const stalled = new Writable({ write: () => stalled.emit('stalled') })
  const piped = pipeline(source, stalled).catch((error: unknown) => error)
  await once(stalled, 'stalled')
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  t.ok(generatedBytes <= 4 * 64 * 1024, `${generatedBytes} bytes`)
  stalled.destroy()
  await piped
  t.ok(source.destroyed)
})
