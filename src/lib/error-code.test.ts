import { readFileSync } from 'node:fs'
import t from 'tap'
import { errorCode } from './error-code.ts'

t.test('an error has its code, and what has none is unknown', (t) => {
  try {
    readFileSync('/nowhere')
  } catch (error) {
    t.equal(errorCode(error), 'ENOENT')
  }
  t.equal(errorCode({ code: '57P01' }), '57P01')
  for (const none of [new Error('no'), { code: 1 }, 'ENOENT', null, undefined])
    t.equal(errorCode(none), 'unknown')
  t.end()
})
