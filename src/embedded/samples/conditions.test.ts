import t from 'tap'
import { evaluatePreconditions, selectRange } from './conditions.ts'

const validators = { etag: '"abc"', lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT' }

t.test('preconditions are read in the order of RFC 9110', async (t) => {
  const verdict = (headers: Record<string, string>): string => evaluatePreconditions({ headers }, validators)
  t.equal(verdict({}), 'proceed')
  t.equal(verdict({ 'if-none-match': '"abc"' }), 'not_modified')
  t.equal(verdict({ 'if-none-match': '"x", W/"abc"' }), 'not_modified', 'weak comparison')
  t.equal(verdict({ 'if-none-match': '*' }), 'not_modified')
  t.equal(verdict({ 'if-none-match': '"abcd"' }), 'proceed')
  t.equal(verdict({ 'if-modified-since': validators.lastModified }), 'not_modified')
  t.equal(verdict({ 'if-modified-since': 'Wed, 31 Dec 2025 23:59:59 GMT' }), 'proceed')
  t.equal(verdict({ 'if-modified-since': 'yesterday' }), 'proceed', 'an unreadable date is no condition')
  t.equal(
    verdict({ 'if-none-match': '"x"', 'if-modified-since': validators.lastModified }),
    'proceed',
    'a tag takes the place of a date',
  )
  t.equal(verdict({ 'if-match': '"x"' }), 'failed')
  t.equal(verdict({ 'if-match': 'W/"abc"' }), 'failed', 'strong comparison')
  t.equal(verdict({ 'if-match': '"abc"' }), 'proceed')
})

t.test('ranges are read as RFC 9110 says', async (t) => {
  const range = (value: string, more: Record<string, string> = {}): unknown =>
    selectRange({ method: 'GET', headers: { range: value, ...more } }, 100, validators)
  t.same(range('bytes=0-0'), { first: 0, last: 0 })
  t.same(range('Bytes=10-19'), { first: 10, last: 19 }, 'the unit is case-insensitive')
  t.same(range('bytes=90-'), { first: 90, last: 99 })
  t.same(range('bytes=90-1000'), { first: 90, last: 99 }, 'the end is capped')
  t.same(range('bytes=-5'), { first: 95, last: 99 })
  t.same(range('bytes=-500'), { first: 0, last: 99 }, 'a longer suffix is everything')
  t.equal(range('bytes=100-'), 'unsatisfiable')
  t.equal(range('bytes=-0'), 'unsatisfiable')
  t.equal(range(`bytes=${'9'.repeat(500)}-`), 'unsatisfiable')
  for (const ignored of ['bytes=-', 'bytes=5-4', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=a-b', 'bytes']) {
    t.equal(range(ignored), 'whole', ignored)
  }
  t.same(range('bytes=1-2', { 'if-range': '"abc"' }), { first: 1, last: 2 })
  t.same(range('bytes=1-2', { 'if-range': validators.lastModified }), { first: 1, last: 2 })
  t.equal(range('bytes=1-2', { 'if-range': 'W/"abc"' }), 'whole', 'a weak tag does not do')
  t.equal(range('bytes=1-2', { 'if-range': '"old"' }), 'whole')
  t.equal(selectRange({ method: 'HEAD', headers: { range: 'bytes=1-2' } }, 100, validators), 'whole')
})
