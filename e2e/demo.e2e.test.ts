import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { assertBalanced } from './harness/accounting.ts'
import { runCommand, type Finished } from './harness/child.ts'
import { startGateway } from './harness/gateway.ts'
import { isAlive } from './harness/process.ts'
import { testFolder } from './harness/product.ts'
import { until, untilTrue } from './harness/wait.ts'

t.test('the demo prints lines that work when they are copied, and leaves no process behind', async (t) => {
  // An embedded database of its own, as for a user who has just cloned the project.
  const gateway = await startGateway(t, { mode: 'demo', env: { HOME: await testFolder(t) } })
  // They are the last thing that is printed.
  await untilTrue('the lines are printed', async () => /Ctrl-C stops it/.test(gateway.stdout))
  const printed = gateway.stdout.split('\n').map((line) => line.trim())
  const line = (pattern: RegExp): string => {
    const found = printed.find((text) => pattern.test(text))
    if (found === undefined) throw new Error(`no line like ${String(pattern)} in ${gateway.stdout}`)
    return found
  }
  const exportKey = line(/^export KEY=wb_/)
  const home = await testFolder(t)
  const env = { HOME: home, npm_config_cache: join(home, '.npm'), npm_config_update_notifier: 'false' }
  const paste = (cwd: string, ...lines: readonly string[]): Promise<Finished> =>
    runCommand('sh', ['-ec', [exportKey, ...lines].join('\n')], { cwd, env, timeoutMs: 40_000 })

  await t.test('curl gets a file and posts to a webhook', async (t) => {
    const file = await paste(home, line(/^curl .*hello\.txt/))
    t.equal(file.code, 0)
    t.match(file.stdout, /hello/i)
    const hook = await paste(home, line(/^curl .*hooks/))
    t.equal(hook.code, 0)
    t.match(hook.stdout, /\{\\?"hello\\?":\\?"world\\?"\}|"hello":\s*"world"/, 'what was posted comes back')
  })

  await t.test('npm installs a package', async (t) => {
    const { code, stdout, stderr } = await paste(home, line(/^npm install/))
    t.equal(code, 0, 'npm succeeds', { stdout, stderr })
    const manifest = await readFile(join(home, 'node_modules/waybill-hello/package.json'), 'utf8')
    t.match(manifest, /"name": ?"waybill-hello"/)
  })

  await t.test('the logs and the usage show what was done', async (t) => {
    // The lines are printed for the folder that the demo was started in.
    const logs = line(/ logs$/)
    const shown = await until('the entries are in the log', async () => {
      const { code, stdout, stderr } = await paste(gateway.cwd, logs)
      if (code !== 0) throw new Error(stderr)
      return /waybill-hello/.test(stdout) ? stdout : undefined
    })
    t.match(shown, /demo/)
    t.match(shown, /\/files\/hello\.txt/)
    t.match(shown, /\/hooks\/build/)
    const usage = await paste(gateway.cwd, line(/ usage$/))
    t.equal(usage.code, 0)
    t.match(usage.stdout, /demo +npm/)
  })

  await t.test('the dashboard and the metrics answer', async (t) => {
    for (const pattern of [/^dashboard /, /^metrics /]) {
      const url = line(pattern).split(/\s+/)[1] ?? ''
      const response = await fetch(url, { headers: { connection: 'close' } })
      t.equal(response.status, 200, url)
      await response.text()
    }
  })

  await assertBalanced(t, gateway)
  const postmaster = await postmasterOf(gateway.pid)
  t.ok(postmaster === null || isAlive(postmaster), 'the database runs')
  t.equal(await gateway.stop('SIGINT'), 0, 'Ctrl-C stops it cleanly')
  if (postmaster !== null) {
    await untilTrue('the postmaster has gone', () => !isAlive(postmaster))
  }
})

/** The postmaster among a process' children; null where the system does not tell (no /proc). */
async function postmasterOf(pid: number): Promise<number | null> {
  let children: string
  try {
    children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  for (const child of children.trim().split(' ')) {
    const command = await readFile(`/proc/${child}/cmdline`, 'utf8')
    if (command.includes('postgres')) return Number(child)
  }
  throw new Error(`no postgres among the children of ${pid}: ${children}`)
}
