import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from './harness/child.ts'
import { testDatabase } from './harness/database.ts'
import { MAIN, productNode, testFolder } from './harness/product.ts'

const CONFIG = 'routes: [{ name: files, kind: generic, path: /files/, upstream: "http://127.0.0.1:1/" }]\n'

interface Start {
  readonly yaml?: string
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  readonly code: number
  /** What the last line has to say. */
  readonly reason: RegExp
}

/** Runs `serve` to its end and looks at what it leaves on stderr. */
async function failsWith(t: Test, name: string, start: Start): Promise<void> {
  const cwd = await testFolder(t)
  await writeFile(join(cwd, 'waybill.yaml'), start.yaml ?? CONFIG)
  const args = [MAIN, 'serve', '--listen-port', '0', '--admin-port', '0', ...(start.flags ?? [])]
  const { code, stdout, stderr } = await runCommand(productNode(), args, { cwd, env: start.env ?? {} })
  t.equal(code, start.code, `${name}: exit code`, { stderr })
  t.equal(stdout, '')
  const lines = stderr.split('\n')
  t.equal(lines.pop(), '', 'the last line is whole')
  t.match(lines.at(-1), start.reason, `${name}: the last line says why`, { stderr })
  t.match(lines.at(-1), /^error: /)
  t.equal(lines.filter((line) => line.startsWith('error: ')).length, 1, 'and no other')
  t.notMatch(stderr, /\\n\s+at |\n\s+at /, 'no stack')
  // Workers tell of theirs, before the last line.
  t.notMatch(stderr.replaceAll(/.*"worker":.*\n/g, ''), '"stopped"', 'nothing of how it stopped')
  t.notMatch(stderr, 'WAYBILL_INTERNAL')
}

/** What a server says that refuses a password (PostgreSQL manual §55.7, ErrorResponse). */
function refusal(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "u"\0\0')
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeUInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

async function listening(t: Test, onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

t.test('G7: a start that fails ends with one plain line that says why', async (t) => {
  const db = await testDatabase(t)
  const env = { DATABASE_URL: db.url }
  const port = await listening(t, () => {})
  for (const workers of ['1', '2']) {
    const flags = ['--workers', workers]
    const inUse = new RegExp(
      `cannot listen on 127.0.0.1:${port} \\(options \\w+.host, \\w+.port\\): the port is in use$`,
    )
    const listen = ['--listen-host', '127.0.0.1', '--listen-port', String(port)]
    await failsWith(t, `proxy port, ${workers}`, {
      env,
      flags: [...flags, ...listen],
      code: 1,
      reason: inUse,
    })
    const admin = ['--admin-port', String(port)]
    await failsWith(t, `admin port, ${workers}`, { env, flags: [...flags, ...admin], code: 1, reason: inUse })
    const nowhere = ['--listen-host', 'nowhere.invalid']
    await failsWith(t, `host, ${workers}`, {
      env,
      flags: [...flags, ...nowhere],
      code: 1,
      reason: /proxy listener/,
    })
    const refusing = await listening(t, (socket) => socket.once('data', () => socket.end(refusal())))
    await failsWith(t, `password, ${workers}`, {
      env: { DATABASE_URL: `postgres://u:hunter2secret@127.0.0.1:${refusing}/d` },
      flags,
      code: 1,
      reason: /password authentication failed for user "u" \(SQLSTATE 28P01\)$/,
    })
  }
  const missing = new URL(db.url)
  missing.pathname = '/not_there'
  await failsWith(t, 'database', {
    env: { DATABASE_URL: missing.href },
    code: 1,
    reason: /"not_there" does not exist \(SQLSTATE 3D000\)$/,
  })
})

t.test('G7: a folder that cannot be used, and a wrong configuration, end it in the same way', async (t) => {
  const folder = await testFolder(t)
  const file = join(folder, 'file')
  await writeFile(file, '')
  await failsWith(t, 'folder', { flags: ['--state-dir', file], code: 1, reason: /cannot prepare .*file/ })
  await failsWith(t, 'one problem', {
    yaml: `log: { levl: info }\n${CONFIG}`,
    code: 2,
    reason: /^error: invalid configuration: log.levl: unknown option; did you mean "log.level"\?$/,
  })
  await failsWith(t, 'two problems', {
    yaml: `log: { levl: info }\nproxy: { maxConnections: x }\n${CONFIG}`,
    code: 2,
    reason: /^error: invalid configuration: 2 problems, see above$/,
  })
})

t.test('G7: a stack is there at log level debug, and the last line is the same', async (t) => {
  const db = await testDatabase(t)
  const port = await listening(t, () => {})
  const cwd = await testFolder(t)
  await writeFile(join(cwd, 'waybill.yaml'), CONFIG)
  const flags = ['--log-level', 'debug', '--workers', '1', '--listen-port', '0', '--admin-port', String(port)]
  const { stderr } = await runCommand(productNode(), [MAIN, 'serve', ...flags], {
    cwd,
    env: { DATABASE_URL: db.url },
  })
  t.match(stderr, String.raw`\n    at `)
  t.match(stderr, /\nerror: admin listener cannot listen [^\n]*\n$/)
})
