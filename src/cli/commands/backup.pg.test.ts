import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createTenant } from '../../store/directory/tenants.ts'
import { testDatabase } from '../../test/database.ts'
import { testWaybill } from '../../test/waybill.ts'

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))

const source = await testDatabase(t)
await createTenant(source.sql, 'acme', {})

t.test('G11: a file that only its owner reads, whole or not there, and never over another', async (t) => {
  const program = await testWaybill(t, source.url)
  const { cwd } = program
  const made = await program.run('backup', 'all.tar')
  t.equal(made.code, 0, made.stderr)
  t.equal(made.stdout, '')
  t.match(made.stderr, /^database: .*\nbacked up \d+ rows of \d+ tables, as of 20\d\d-/)
  t.equal((await stat(join(cwd, 'all.tar'))).mode & 0o777, 0o600)
  t.same(await readdir(cwd), ['all.tar'], 'no draft is left')
  const before = await readFile(join(cwd, 'all.tar'))
  const again = await program.run('backup', 'all.tar')
  t.equal(again.code, 1)
  t.match(again.stderr, /all\.tar is there already: name another file, or remove it/)
  t.same(await readFile(join(cwd, 'all.tar')), before)
  const nowhere = await program.run('backup', 'no/such/folder.tar')
  t.equal(nowhere.code, 1)
  t.match(nowhere.stderr, /folder\.tar cannot be written \(ENOENT\); nothing is left of it/)
})

t.test('G11: through a pipe, and restored from one', async (t) => {
  const program = await testWaybill(t, source.url)
  const child = program.start(['backup', '-'])
  const [bytes, errors] = await Promise.all([
    buffer(child.stdout ?? process.stdin),
    text(child.stderr ?? process.stdin),
    once(child, 'close'),
  ])
  t.equal(child.exitCode, 0, errors)
  t.equal(bytes.subarray(0, 20).toString(), 'waybill-backup.json\0')
  const other = await testDatabase(t)
  const onOther = await testWaybill(t, other.url)
  const { cwd } = onOther
  await writeFile(join(cwd, 'b.tar'), bytes)
  const env = { PATH: process.env['PATH'], DATABASE_URL: other.url }
  const restoring = spawn('sh', ['-c', `'${process.execPath}' '${MAIN}' restore - < b.tar`], { cwd, env })
  const [said] = await Promise.all([text(restoring.stderr), once(restoring, 'close')])
  t.equal(restoring.exitCode, 0, said)
  t.match(said, /restored \d+ rows of \d+ tables, as of 20\d\d-.*\n"waybill audit --deep" compares/)
  t.match(await other.sql`SELECT slug FROM tenants`, [{ slug: 'acme' }])
  const twice = await onOther.run('restore', 'b.tar')
  t.equal(twice.code, 1)
  t.match(twice.stderr, /not empty \(tenants .*--replace/)
  const replaced = await onOther.run('restore', '--replace', 'b.tar')
  t.equal(replaced.code, 0, replaced.stderr)
})

t.test('G11: a reader that leaves, a full disk and a file that is not there are failures', async (t) => {
  const program = await testWaybill(t, source.url)
  const { cwd } = program
  const env = { PATH: process.env['PATH'], DATABASE_URL: source.url }
  const shell = async (script: string): Promise<{ code: number | null; stderr: string }> => {
    const child = spawn('bash', ['--norc', '-c', script], { cwd, env })
    const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')])
    return { code: child.exitCode, stderr }
  }
  const waybill = `'${process.execPath}' '${MAIN}'`
  const left = await shell(`${waybill} backup - | true; exit \${PIPESTATUS[0]}`)
  t.equal(left.code, 1)
  t.match(left.stderr, /the reader of the backup has gone: what it has of it is not whole/)
  const full = await shell(`${waybill} backup - > /dev/full`)
  t.equal(full.code, 1)
  t.match(full.stderr, /the output cannot be written \(ENOSPC\)/)
  const missing = await program.run('restore', 'nosuch.tar')
  t.equal(missing.code, 1)
  t.match(missing.stderr, /nosuch\.tar cannot be read \(ENOENT\)/)
  await writeFile(join(cwd, 'text.tar'), 'no tar file')
  const other = await program.run('restore', 'text.tar')
  t.equal(other.code, 1)
  t.match(other.stderr, /damaged|no backup that Waybill has made/)
})

t.test('G11: a backup of no database makes none', async (t) => {
  const program = await testWaybill(t, '')
  const child = program.start(['backup', 'x.tar'])
  const [stderr] = await Promise.all([text(child.stderr ?? process.stdin), once(child, 'close')])
  t.equal(child.exitCode, 2)
  t.match(stderr, /there is no embedded database in/)
  t.same(await readdir(program.cwd), [])
})
