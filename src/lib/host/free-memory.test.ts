import t from 'tap'
import { freeMemory } from './free-memory.ts'

t.test('a large buffer gives its memory back, as often as that is asked', (t) => {
  for (let i = 0; i < 3; i++) {
    const bytes = Buffer.allocUnsafeSlow(65_536)
    freeMemory(bytes)
    t.equal(bytes.length, 0)
    freeMemory(bytes)
  }
  t.end()
})

t.test('a buffer that is small or a part of its memory stays', (t) => {
  const whole = Buffer.alloc(65_536, 'x')
  for (const bytes of [Buffer.alloc(10, 'x'), whole.subarray(1), whole.subarray(0, 65_535)]) {
    const { length } = bytes
    freeMemory(bytes)
    t.equal(bytes.length, length)
    t.equal(bytes[0], 0x78)
  }
  t.end()
})
