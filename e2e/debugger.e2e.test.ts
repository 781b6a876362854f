import { readdir, readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { runCommand, spawnPlain } from './harness/child.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { MAIN, productNode, testFolder } from './harness/product.ts'
import { untilTrue } from './harness/wait.ts'

/** Ids of a process and all below it; only itself where the system does not tell. */
async function family(pid: number): Promise<number[]> {
  const found = [pid]
  for (const task of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const text = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')
    for (const child of text.split(' ').filter((id) => id !== ''))
      found.push(...(await family(Number(child))))
  }
  return found
}

/** Whether a process listens where Node's debugger does, told by its own sockets. */
async function listensOnDebuggerPort(pid: number): Promise<boolean> {
  const inodes = new Set<string>()
  for (const file of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/${pid}/net/${file}`, 'utf8').catch(() => '')
    for (const line of text.split('\n')) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      const port = Number.parseInt(local.split(':').at(-1) ?? '', 16)
      if (state === '0A' && port >= 9229 && port <= 9239) inodes.add(`socket:[${inode}]`)
    }
  }
  const { readlink } = await import('node:fs/promises')
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    if (inodes.has(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))) return true
  }
  return false
}

async function assertShut(t: Test, pids: readonly number[]): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGUSR1')
  // The signal opens the port within milliseconds where it does.
  await new Promise((resolve) => setTimeout(resolve, 500))
  for (const pid of pids) t.notOk(await listensOnDebuggerPort(pid), `process ${pid}`)
}

const isLinux = process.platform === 'linux'

t.test('R06: SIGUSR1 opens no debugger, in the primary and in workers', { skip: !isLinux }, async (t) => {
  const db = await testDatabase(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      workers: 2,
      routes: [{ name: 'f', kind: 'generic', path: '/f/', upstream: 'http://127.0.0.1:9' }],
    },
  })
  const pids = await family(gateway.pid)
  t.ok(pids.length >= 3, 'primary and workers')
  await assertShut(t, pids)
  t.equal((await fetch(`${gateway.adminUrl}/healthz`)).status, 200, 'and ends nothing')
})

t.test('R06: nor in the supervisor of the embedded database', { skip: !isLinux }, async (t) => {
  const gateway = await startGateway(t, {
    config: { routes: [{ name: 'f', kind: 'generic', path: '/f/', upstream: 'http://127.0.0.1:9' }] },
  })
  const supervisors: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    if (command.includes('embedded/supervisor') && command.includes(gateway.cwd))
      supervisors.push(Number(name))
  }
  t.equal(supervisors.length, 1)
  await assertShut(t, supervisors)
  t.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 200)
})

t.test('R06: nor in a command, from its first moment on', { skip: !isLinux }, async (t) => {
  const db = await testDatabase(t)
  const place = { cwd: await testFolder(t), env: { DATABASE_URL: db.url } }
  await runCommand(productNode(), [MAIN, 'migrate'], place)
  const command = spawnPlain(productNode(), [MAIN, 'logs', '--follow'], place)
  t.teardown(() => command.kill('SIGKILL'))
  const pid = command.pid ?? 0
  // Before Node itself is up the signal's default action, to end the process, is in force.
  await untilTrue('Node is up', async () => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    const caught = BigInt(`0x${/SigCgt:\s+(\w+)/.exec(status)?.[1] ?? '0'}`)
    return (caught & (1n << 9n)) !== 0n
  })
  process.kill(pid, 'SIGUSR1')
  await untilTrue('the debugger is shut', async () => !(await listensOnDebuggerPort(pid)))
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await assertShut(t, [pid])
  t.equal(command.exitCode, null)
})
