import t from 'tap'
import { SafeCursor } from './safe-cursor.ts'

t.test('what commits late is looked for again: the cursor follows the highest number after a while', (t) => {
  const cursor = new SafeCursor()
  t.equal(cursor.after(5, 0), 0, 'at first all is looked for')
  t.equal(cursor.after(100, 400), 0)
  t.equal(cursor.after(200, 9000), 0)
  t.equal(cursor.after(200, 10_000), 5)
  t.equal(cursor.after(300, 15_000), 5)
  t.equal(cursor.after(300, 19_000), 200)
  t.equal(cursor.after(300, 60_000), 300)
  t.end()
})

t.test('it keeps a bounded number of marks', (t) => {
  const cursor = new SafeCursor()
  for (let ms = 0; ms < 100_000; ms += 5) cursor.after(ms, ms)
  t.equal(cursor.after(100_000, 100_000), 90_000)
  t.end()
})
