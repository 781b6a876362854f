import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { foreignOwner } from '../lib/host/folder-owner.ts'
import { NOT_DURABLE } from '../test/embedded-holder.ts'
import { startEmbeddedPostgres } from './postgres.ts'

const isRoot = process.geteuid?.() === 0
/** An account that every system has; it stands for an ordinary user. */
const USER = { uid: 65_534, gid: 65_534 }
const skip = isRoot
  ? false
  : 'needs root: what root does in the folder of another user is NOT tested in this run'

/** A folder of an ordinary user and one of root's with a secret in it. */
function places(t: Test): { stateDir: string; secret: string; vault: string } {
  const base = mkdtempSync(join(tmpdir(), 'waybill-links-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true, maxRetries: 5 }))
  chmodSync(base, 0o755)
  const stateDir = join(base, 'user')
  const vault = join(base, 'vault')
  mkdirSync(stateDir, { mode: 0o755 })
  mkdirSync(vault, { mode: 0o700 })
  chownSync(stateDir, USER.uid, USER.gid)
  const secret = join(vault, 'secret')
  writeFileSync(secret, 'the secret of root\n', { mode: 0o600 })
  return { stateDir, secret, vault }
}

function plant(path: string, target: string): void {
  mkdirSync(dirname(path), { recursive: true })
  chownSync(dirname(path), USER.uid, USER.gid)
  symlinkSync(target, path)
}

async function visit(t: Test, stateDir: string): Promise<void> {
  const postgres = await startEmbeddedPostgres({ stateDir, settings: NOT_DURABLE }).catch(() => null)
  await postgres?.stop()
  t.pass(postgres === null ? 'refused' : 'started')
}

function assertUntouched(t: Test, { secret, vault }: { secret: string; vault: string }): void {
  t.equal(readFileSync(secret, 'utf8'), 'the secret of root\n', 'not emptied, not written to')
  const { uid, mode } = lstatSync(secret)
  t.equal(uid, 0, 'not given away')
  t.equal(mode & 0o777, 0o600)
  t.strictSame(readdirSync(vault), ['secret'], 'nothing is put beside it')
  t.equal(lstatSync(vault).uid, 0)
}

for (const name of [
  'lock',
  'log',
  'log.1',
  'pg_hba.conf',
  'pg_ident.conf',
  'data.partial',
  'run',
  'control.sock',
]) {
  t.test(
    `E8: root does not follow a link at postgres/${name} of a user's state folder`,
    { skip },
    async (t) => {
      const all = places(t)
      const isFolder = name === 'data.partial' || name === 'run'
      plant(join(all.stateDir, 'postgres', name), isFolder ? all.vault : all.secret)
      await visit(t, all.stateDir)
      assertUntouched(t, all)
    },
  )
}

t.test('E8: root does not follow a link in the place of postgres/', { skip }, async (t) => {
  const all = places(t)
  plant(join(all.stateDir, 'postgres'), all.vault)
  await visit(t, all.stateDir)
  assertUntouched(t, all)
})

t.test('E8: nor one in the place of the state folder itself', { skip }, async (t) => {
  const all = places(t)
  plant(join(all.stateDir, '.waybill'), all.vault)
  await visit(t, join(all.stateDir, '.waybill'))
  assertUntouched(t, all)
})

t.test("E8: nor one in the data folder of the database's user", { skip }, async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'waybill-links-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true, maxRetries: 5 }))
  chmodSync(base, 0o711)
  const stateDir = join(base, 'state')
  const first = await startEmbeddedPostgres({ stateDir, settings: NOT_DURABLE })
  await first.stop()
  const secret = join(base, 'secret')
  // The first line is the number of a process that lives: such a file was rewritten.
  writeFileSync(secret, `${process.pid}\nsecret\n`, { mode: 0o600 })
  const data = join(stateDir, 'postgres', 'data')
  t.not(lstatSync(data).uid, 0)
  symlinkSync(secret, join(data, 'postmaster.pid'))
  await visit(t, stateDir)
  t.equal(readFileSync(secret, 'utf8'), `${process.pid}\nsecret\n`)
})

t.test("a user's database that root visits stays the user's, to the last file", { skip }, async (t) => {
  const { stateDir } = places(t)
  const postgres = await startEmbeddedPostgres({ stateDir, settings: NOT_DURABLE })
  await postgres.stop()
  for (const name of readdirSync(join(stateDir, 'postgres'))) {
    t.equal(lstatSync(join(stateDir, 'postgres', name)).uid, USER.uid, name)
  }
  const again = await startEmbeddedPostgres({ stateDir, settings: NOT_DURABLE })
  t.equal(again.started, true)
  await again.stop()
})

t.test("E9: who runs as the database's user is not its superuser", { skip }, async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'waybill-peer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true, maxRetries: 5 }))
  chmodSync(base, 0o711)
  const postgres = await startEmbeddedPostgres({ stateDir: join(base, 's'), settings: NOT_DURABLE })
  t.teardown(() => postgres.stop())
  const { uid, gid } = lstatSync(postgres.connection.host)
  t.not(uid, 0)
  const attempt = (account: { uid: number; gid: number }): string => {
    const script = `
      const socket = require('net').connect(process.argv[1] + '/.s.PGSQL.5432')
      const body = Buffer.from('user\\0waybill\\0database\\0waybill\\0\\0')
      const head = Buffer.alloc(8); head.writeInt32BE(body.length + 8, 0); head.writeInt32BE(3 << 16, 4)
      socket.write(Buffer.concat([head, body]))
      socket.once('data', (d) => { console.log(d.toString('latin1', 0, 1) + d.readInt32BE(5)); process.exit() })
      socket.once('error', (e) => { console.log(e.code); process.exit() })`
    const options = { ...account, cwd: '/', env: {}, encoding: 'utf8' as const }
    return spawnSync(process.execPath, ['-e', script, postgres.connection.host], options).stdout.trim()
  }
  t.equal(attempt({ uid: 0, gid: 0 }), 'R0', 'root is let in')
  t.match(attempt({ uid, gid }), /^E/, "the database's own user is not")
})

t.test('who decides about a path is told by each folder and link on the way', { skip }, (t) => {
  const { stateDir, vault } = places(t)
  t.equal(foreignOwner(vault), undefined)
  t.strictSame(foreignOwner(stateDir), USER)
  t.strictSame(foreignOwner(join(stateDir, 'not', 'there')), USER)
  symlinkSync(vault, join(stateDir, 'link'))
  t.strictSame(foreignOwner(join(stateDir, 'link', 'x')), USER, "root's folder behind a user's link")
  const open = join(vault, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  t.equal(foreignOwner(join(open, 'x')), 'anyone')
  t.ok(existsSync(open))
  t.end()
})
