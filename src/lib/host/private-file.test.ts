import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writePrivateFile } from './private-file.ts'

async function freshFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-private-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

t.test('a private file takes the place of the one before, for its owner alone', async (t) => {
  const folder = await freshFolder(t)
  const path = join(folder, 'file')
  const draft = join(folder, 'draft')
  await writeFile(path, 'before')
  for (const survives of ['nothing', 'content', 'name'] as const) {
    await writePrivateFile(path, { draft, write: (file) => file.writeFile(survives), survives })
    t.equal(await readFile(path, 'utf8'), survives)
    t.equal((await stat(path)).mode & 0o777, 0o600)
  }
  t.same(await readdir(folder), ['file'])
})

t.test('a private file that cannot be written leaves the one before, and no draft', async (t) => {
  const folder = await freshFolder(t)
  const path = join(folder, 'file')
  const draft = join(folder, 'draft')
  await writeFile(path, 'before')
  const write = async (): Promise<void> => {
    throw new Error('no more')
  }
  await t.rejects(writePrivateFile(path, { draft, write, survives: 'name' }), { message: 'no more' })
  t.equal(await readFile(path, 'utf8'), 'before')
  t.same(await readdir(folder), ['file'])
})

t.test('a private file is not written where a link leads', async (t) => {
  const folder = await freshFolder(t)
  const path = join(folder, 'file')
  const draft = join(folder, 'draft')
  await writeFile(join(folder, 'elsewhere'), 'untouched')
  await symlink('elsewhere', draft)
  const write = async (): Promise<void> => {}
  await t.rejects(writePrivateFile(path, { draft, write, survives: 'nothing' }), { code: 'EEXIST' })
  t.equal(await readFile(join(folder, 'elsewhere'), 'utf8'), 'untouched')
})
