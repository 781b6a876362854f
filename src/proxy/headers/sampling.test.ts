import t from 'tap'
import { newTraceparent, traceIdOf } from './ids.ts'
import { Sampling, sampledTraceparent } from './sampling.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'

t.test('a trace is recorded when bit 0 of its flags is set, and only then', (t) => {
  const sampling = new Sampling(0)
  for (let flags = 0; flags < 256; flags++) {
    const traceparent = `00-${TRACE}-${CALLER}-${flags.toString(16).padStart(2, '0')}`
    const span = sampling.spanOf(traceparent, false)
    t.equal(span !== null, (flags & 1) === 1, traceparent)
    if (span === null) continue
    t.equal(span.parentId, CALLER)
    const forwarded = sampledTraceparent(traceparent, span, false)
    t.equal(forwarded, traceparent.replace(CALLER, span.upstreamId), 'the flags stay as they are')
    t.equal(traceIdOf(forwarded), TRACE)
    t.equal(new Set([span.id, span.upstreamId, CALLER]).size, 3)
  }
  t.end()
})

t.test('of requests without a trace one in so many begins one', (t) => {
  const begun = (oneIn: number): number[] => {
    const sampling = new Sampling(oneIn)
    return Array.from({ length: 7 }, () => (sampling.spanOf(newTraceparent(), true) === null ? 0 : 1))
  }
  t.strictSame(begun(0), [0, 0, 0, 0, 0, 0, 0])
  t.strictSame(begun(1), [1, 1, 1, 1, 1, 1, 1])
  t.strictSame(begun(3), [1, 0, 0, 1, 0, 0, 1])
  const traceparent = newTraceparent()
  const span = new Sampling(1).spanOf(traceparent, true)
  t.equal(span?.parentId, '')
  if (span !== null) t.match(sampledTraceparent(traceparent, span, true), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  t.end()
})
