import t from 'tap'
import { LineSink, type LineOutput } from './line-sink.ts'

/** A reader that can stop: takes `room` bytes, then none. */
function reader(room: number) {
  const taken = { text: '', room, error: null as string | null, calls: 0 }
  const writeNow = (bytes: Buffer): number => {
    taken.calls++
    const code = taken.error ?? (taken.room === 0 ? 'EAGAIN' : null)
    if (code !== null) throw Object.assign(new Error(code), { code })
    const written = Math.min(taken.room, bytes.length)
    taken.room -= written
    taken.text += bytes.subarray(0, written).toString()
    return written
  }
  const output: LineOutput = {
    isOwn: true,
    writeNow,
    write: (bytes, done) => {
      try {
        done(null, writeNow(bytes))
      } catch (error) {
        done(error as NodeJS.ErrnoException, 0)
      }
    },
  }
  return { taken, output }
}

t.test('F1: lines that nobody reads wait up to the bound, then are dropped and counted', async (t) => {
  const { taken, output } = reader(0)
  const sink = new LineSink(output, 100)
  for (let i = 0; i < 20; i++) sink.write(`line ${i} 89\n`)
  t.equal(taken.text, '')
  t.equal(sink.dropped, 10, 'eleven bytes and then twelve, a hundred at most')
  const told: number[] = []
  sink.onRecovered = (dropped) => {
    told.push(dropped)
    sink.write(`${dropped} lost\n`)
  }
  taken.room = 1000
  await sink.drained(5000)
  t.match(taken.text, /^line 0 89\nline 1 89\n(line \d 89\n){7}/, 'whole lines in their order')
  t.match(taken.text, /\n10 lost\n$/, 'and the loss, once, after them')
  t.strictSame(told, [10])
})

t.test('F1: a line of which a part was taken is finished, never followed by another', async (t) => {
  const { taken, output } = reader(4)
  const sink = new LineSink(output, 100)
  sink.write('0123456789\n')
  sink.write('next\n')
  t.equal(taken.text, '0123')
  taken.room = 100
  await sink.drained(5000)
  t.equal(taken.text, '0123456789\nnext\n')
})

t.test('F1: a reader that has gone costs its lines; a new one gets the next', async (t) => {
  const { taken, output } = reader(100)
  const sink = new LineSink(output, 100)
  const told: number[] = []
  sink.onRecovered = (dropped) => {
    told.push(dropped)
    sink.write(`${dropped} lost\n`)
  }
  taken.error = 'EPIPE'
  sink.write('a\n')
  sink.write('b\n')
  t.equal(sink.dropped, 2)
  taken.error = null
  sink.write('c\n')
  t.equal(taken.text, 'c\n2 lost\n')
  t.strictSame(told, [2])
})

t.test('F1: last words are written at once, and block within their bound only', async (t) => {
  const { taken, output } = reader(0)
  const sink = new LineSink(output, 100)
  sink.write('a\n')
  sink.write('b\n')
  const before = performance.now()
  sink.lastWords(50)
  const ms = performance.now() - before
  t.ok(ms >= 50 && ms < 1000, `${ms} ms`)
  taken.room = 100
  sink.write('c\n')
  sink.lastWords(50)
  t.match(taken.text, /c\n$/)
  taken.error = 'EPIPE'
  sink.write('d\n')
  sink.lastWords(50)
})

t.test('F1: a file that does not take a line in time is not waited for at the end', async (t) => {
  let calls = 0
  const output: LineOutput = { isOwn: true, writeNow: () => calls++, write: () => {} }
  const sink = new LineSink(output, 100)
  sink.write('never ends\n')
  sink.write('waits\n')
  await new Promise((resolve) => setTimeout(resolve, 20))
  sink.lastWords(10)
  t.equal(calls, 0)
  await sink.drained(10)
})
