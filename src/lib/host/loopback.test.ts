import t from 'tap'
import { isLoopback } from './loopback.ts'

t.test('this machine alone is reached by its loopback addresses and its name', (t) => {
  for (const host of ['localhost', '::1', '[::1]', '127.0.0.1', '127.255.0.9'])
    t.equal(isLoopback(host), true, host)
  for (const host of [
    '',
    '127.example.test',
    '127.0.0.1.example.test',
    '127.999.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '::',
  ])
    t.equal(isLoopback(host), false, host)
  t.end()
})
