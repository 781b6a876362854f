import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writeNewFile } from './atomic-file.ts'
import { testIo } from '../../test/cli-io.ts'

async function folderOf(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-file-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

t.test('a file is there when it is whole, and only its owner reads it', async (t) => {
  const folder = await folderOf(t)
  const seen: string[][] = []
  const chunks = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('one ')
    seen.push(await readdir(folder))
    yield Buffer.from('two')
  }
  await writeNewFile(join(folder, 'a'), chunks(), testIo([]))
  t.match(seen, [[/^a\.\d+\.part$/]], 'under another name before')
  t.same(await readdir(folder), ['a'])
  t.equal(await readFile(join(folder, 'a'), 'utf8'), 'one two')
  t.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o600)
})

t.test('G11: a disk that is full leaves nothing, and the error says what to do', async (t) => {
  const folder = await folderOf(t)
  const chunks = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('one')
    throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })
  }
  await t.rejects(writeNewFile(join(folder, 'a'), chunks(), testIo([])), {
    message: /a cannot be written \(ENOSPC\): make room, or pipe it elsewhere .*; nothing is left of it/,
  })
  t.same(await readdir(folder), [])
})

t.test('G11: a signal ends it at once, also while nothing comes, and leaves nothing', async (t) => {
  const folder = await folderOf(t)
  const io = testIo([])
  const chunks = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('one')
    io.signal('SIGINT')
    await new Promise(() => {}) // a database that does not answer
  }
  await t.rejects(writeNewFile(join(folder, 'a'), chunks(), io), { message: /stopped by a signal/ })
  t.same(await readdir(folder), [])
  t.equal(io.signal('SIGINT'), 0, 'and listens no more')
})
