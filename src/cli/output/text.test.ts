import t from 'tap'
import { cellWidth, cutToWidth, escapeUnsafe, safeJson } from './text.ts'

t.test('a value cannot send commands to a terminal, forge a line or reorder text', async (t) => {
  t.equal(escapeUnsafe('a\x1b[2Jb\r\nc\td'), String.raw`a\x1b[2Jb\x0d\x0ac\x09d`)
  t.equal(escapeUnsafe('\u009b31m\u007f'), String.raw`\x9b31m\x7f`)
  t.equal(escapeUnsafe('a\u202etxt.exe\u2028'), String.raw`a\u202etxt.exe\u2028`)
  t.equal(escapeUnsafe('Grüße, 世界 ✓'), 'Grüße, 世界 ✓', 'printable text is unchanged')
})

t.test('JSON holds no unsafe character and still the same value', async (t) => {
  const value = { a: '\x1b[31m\u009b\u007f\u202e\n' }
  const json = safeJson(value)
  t.match(json, /^[\x20-\x7e]+$/)
  t.same(JSON.parse(json), value)
})

t.test('text is measured and cut in terminal cells', async (t) => {
  t.equal(cellWidth('abc'), 3)
  t.equal(cellWidth('世界'), 4)
  t.equal(cellWidth('e\u0301'), 1)
  t.equal(cutToWidth('abcdef', 6), 'abcdef')
  t.equal(cutToWidth('abcdef', 4), 'abc…')
  t.equal(cutToWidth('世界世界', 6), '世界…')
})
