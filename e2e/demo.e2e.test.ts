import { once } from 'node:events'
import { appendFile, cp, readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { assertBalanced } from './harness/accounting.ts'
import { killGroup, runCommand, spawnPlain, type Finished } from './harness/child.ts'
import { startGateway } from './harness/gateway.ts'
import { isAlive } from './harness/process.ts'
import { projectFolder, testFolder } from './harness/product.ts'
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
    const temporary = await testFolder(t)
    const npm = `export TMPDIR='${temporary}'\n${line(/^npm .*install/)}`
    const { code, stdout, stderr } = await paste(home, npm)
    t.equal(code, 0, 'npm succeeds', { stdout, stderr })
    const [folder = ''] = await readdir(temporary)
    const manifest = await readFile(
      join(temporary, folder, 'node_modules/waybill-hello/package.json'),
      'utf8',
    )
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

  await t.test('the console and the metrics answer', async (t) => {
    for (const pattern of [/^console /, /^metrics /]) {
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

t.test(
  'G1: every printed line, pasted in a checkout, works, and leaves the checkout as it was',
  async (t) => {
    const [checkout, home, temporary] = [await checkoutOf(t), await testFolder(t), await testFolder(t)]
    const settings = { TMPDIR: temporary, npm_config_cache: join(home, '.npm'), npm_config_offline: 'false' }
    const env = { HOME: home, ...settings, npm_config_update_notifier: 'false' }
    const git = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runCommand('git', args, { cwd: checkout, env })
      if (code !== 0) throw new Error(stderr)
      return stdout
    }
    await git('init', '-q')
    await appendFile(join(checkout, '.git/info/exclude'), 'waybill-*.yaml\n') // what the harness puts there
    await git('add', '-A')
    await git('-c', 'user.name=t', '-c', 'user.email=t@example.com', 'commit', '-qm', 'all')
    t.ok((await git('ls-files')).includes('package-lock.json'), 'it is a checkout of Waybill')
    const lock = await stat(join(checkout, 'package-lock.json'))

    for (const round of ['at first', 'again']) {
      const gateway = await startGateway(t, { mode: 'demo', cwd: checkout, env: { HOME: home } })
      await untilTrue('the lines are printed', () => /Ctrl-C stops it/.test(gateway.stdout))
      const lines = commandsOf(gateway.stdout)
      t.ok(lines.length >= 7, `${round}: there are lines to paste`, { lines })
      const [exportKey = '', ...commands] = lines
      const fetching = commands.find((command) => command.includes('hello.txt')) ?? ''
      for (const command of commands) {
        const script = [exportKey, command].join('\n')
        if (command.includes('--follow')) {
          const request = ['sh', ['-c', [exportKey, fetching].join('\n')], { cwd: checkout, env }] as const
          await assertFollows(t, { cwd: checkout, script, env, request: () => runCommand(...request) })
          continue
        }
        const { code, stdout, stderr } = await runCommand('sh', ['-c', script], { cwd: checkout, env })
        t.equal(code, 0, `${round}: ${command.replace(/wb_\w+/, 'wb_…')}`, { stdout, stderr })
        t.not(stdout, '')
      }
      t.strictSame(await shownInReadme(), lines.map(asInReadme), 'the README shows the same lines')
      t.equal(await gateway.stop('SIGINT'), 0)
      t.equal(await git('status', '--porcelain'), '', `${round}: git finds nothing to say`)
      const ignored = (await git('status', '--porcelain', '--ignored'))
        .split('\n')
        .filter((text) => !/^$|waybill-\w+\.yaml/.test(text))
      t.strictSame(ignored, ['!! .waybill/'], 'nor among what it ignores, but the data of the demo')
    }
    t.equal(
      (await stat(join(checkout, 'package-lock.json'))).mtimeMs,
      lock.mtimeMs,
      'nothing is installed anew',
    )
  },
)

/** What git has of the project, or would have: a copy without what is built or installed. */
async function checkoutOf(t: Test): Promise<string> {
  const [project, checkout] = [projectFolder(), await testFolder(t)]
  const isLeftOut = /^(\.git|node_modules|dist|\.waybill|\.cache|\.tap)$/
  for (const name of await readdir(project)) {
    if (isLeftOut.test(name)) continue
    const filter = (path: string): boolean => basename(path) !== 'node_modules'
    await cp(join(project, name), join(checkout, name), { recursive: true, filter })
  }
  return checkout
}

/** The commands that the demo prints to be copied. */
function commandsOf(printed: string): string[] {
  const [, block = ''] = /To copy and paste:\n([^]*?)\n +console/.exec(printed) ?? []
  return block
    .split('\n')
    .map((text) => text.trim())
    .filter((text) => text !== '')
}

/** A printed line as it is where `make run` has the default ports, in the project's folder. */
function asInReadme(line: string): string {
  return line
    .replaceAll(/\/\/127\.0\.0\.1:\d+/g, '//127.0.0.1:8080')
    .replace(/wb_\w+/, 'wb_…')
    .replace(/^node \S*dist\/main\.js/, 'node dist/main.js')
}

async function shownInReadme(): Promise<string[]> {
  const readme = await readFile(join(projectFolder(), 'README.md'), 'utf8')
  const [, block = ''] = /```sh\n(export KEY=wb_…\n[^]*?)```/.exec(readme) ?? []
  return block.split('\n').filter((text) => text !== '')
}

/** Of a command that goes on until it is told to end: it shows what comes, and ends. */
async function assertFollows(
  t: Test,
  parts: { cwd: string; script: string; env: Record<string, string>; request: () => Promise<unknown> },
): Promise<void> {
  const { cwd, script, env, request } = parts
  const child = spawnPlain('sh', ['-c', script], { cwd, env, isLeader: true })
  t.teardown(() => killGroup(child))
  const closed = once(child, 'close')
  let shown = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (shown += text))
  // It shows what is stored from its start on, and nobody tells when that was.
  await untilTrue('the log is followed', async () => {
    await request()
    return shown.includes('/files/hello.txt')
  })
  process.kill(-(child.pid ?? 0), 'SIGINT')
  await closed
  t.pass('the log is followed')
}

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
