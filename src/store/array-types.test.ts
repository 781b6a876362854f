import fc from 'fast-check'
import t from 'tap'
import { formatArray, parseArray } from './array-types.ts'

t.test('what is written is read again', async (t) => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('"', '\\', ',', '{', '}', ' ', '\n', 'NULL', 'é', '😀'),
      fc.string({ maxLength: 1 }),
    ),
  })
  fc.assert(
    fc.property(fc.array(fc.option(text)), (values) => {
      t.strictSame(
        parseArray(formatArray(values), (each) => each),
        values,
      )
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))),
      (values) => {
        t.same(parseArray(formatArray(values), Number), values)
      },
    ),
  )
})

t.test('reads arrays as Postgres writes them', async (t) => {
  const texts = (text: string): unknown => parseArray(text, (each) => each)
  t.strictSame(texts('{}'), [])
  t.strictSame(texts('{a,"b c",NULL,"NULL","",nul}'), ['a', 'b c', null, 'NULL', '', 'nul'])
  t.strictSame(texts(String.raw`{"a\"b","c\\d","e,f","{g}"}`), ['a"b', String.raw`c\d`, 'e,f', '{g}'])
  t.strictSame(parseArray('{1,-2,3.5,NULL}', Number), [1, -2, 3.5, null])
  t.throws(() => texts('{{1,2},{3,4}}'), RangeError, 'more dimensions are not for it')
  t.throws(() => texts('a'), RangeError)
  t.throws(() => formatArray(7), TypeError)
  t.equal(formatArray('{a}'), '{a}')
})
