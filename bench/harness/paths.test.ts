import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PRODUCT, ROOT, SOURCES, WRITER_BENCH, productIn } from './paths.ts'

t.test('what the bench starts is where it looks for it', async (t) => {
  for (const file of [PRODUCT, WRITER_BENCH, join(SOURCES, 'go', 'main.go'), join(SOURCES, 'servers')])
    t.ok(existsSync(file), file)
  t.equal(productIn(ROOT), PRODUCT, 'a checkout has its product where this one has it')
})
