import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { clientTypes } from '../../test/api/client-types.ts'
import { testDocument } from '../../test/api/test-document.ts'
import { projectFolder } from '../../version.ts'

const FILE = join(projectFolder(), 'e2e/api/schema.ts')

t.test('the types of the client of the end-to-end suite are those of the document', (t) => {
  const types = clientTypes(testDocument())
  if (process.env['WAYBILL_UPDATE_SNAPSHOT'] === '1') writeFileSync(FILE, types)
  t.equal(readFileSync(FILE, 'utf8'), types, 'see its first line')
  t.end()
})

t.test('what the document may not use is refused, not guessed', (t) => {
  const paths = { '/x': { get: { responses: { 200: { content: { a: { schema: { type: 'file' } } } } } } } }
  t.throws(() => clientTypes({ openapi: '3.1.0', info: { title: '', version: '' }, paths }), TypeError)
  t.end()
})
