import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from './harness/child.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway, writeConfig } from './harness/gateway.ts'
import { npmClient } from './harness/npm.ts'
import { testFolder } from './harness/product.ts'
import { programFor } from './harness/program.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const KINDS = ['npm', 'pypi', 'cargo', 'go', 'git', 'generic'] as const
const CONTACT = 'Ask platform@example.com.'

/** Runs a client that is refused, and gives what it prints on both outputs; null where it is not installed. */
type Print = (...command: readonly [string, ...string[]]) => Promise<string | null>

async function printer(t: Test, proxyUrl: string): Promise<{ print: Print; home: string }> {
  const home = await testFolder(t)
  const env = {
    HOME: home,
    GIT_TERMINAL_PROMPT: '0',
    GOPROXY: `${proxyUrl}/go`,
    GONOSUMDB: '*',
    GOFLAGS: '-mod=mod',
  }
  const print: Print = async (program, ...args) => {
    if ((await programFor(t, program)) === null) return null
    const { code, stdout, stderr } = await runCommand(program, args, { cwd: home, env, timeoutMs: 60_000 })
    t.not(code, 0, `${program} fails`)
    return stdout + stderr
  }
  return { print, home }
}

t.test('clients print why they are refused, and whom to ask', async (t) => {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const routes = KINDS.map((kind) => ({ name: kind, kind, path: `/${kind}/`, upstream: upstream.url }))
  const config = { routes, proxy: { refusalContact: CONTACT } }
  const gateway = await startGateway(t, { databaseUrl: db.url, config })
  const stranger = await gateway.mint({ tenant: 'acme', scopes: ['generic:write'] })
  const revoked = await gateway.mint({ tenant: 'acme', scopes: ['*:*'] })
  await gateway.must('keys', 'revoke', revoked.slice(3, 15), '--wait')
  const { print, home } = await printer(t, gateway.proxyUrl)
  const url = (key: string, path: string): string =>
    `${gateway.proxyUrl.replace('//', `//ci:${key}@`)}/${path}`
  /** Both are told: the scope that is missing, and the revocation. */
  const check = async (
    kind: (typeof KINDS)[number],
    command: (key: string) => readonly [string, ...string[]],
  ): Promise<void> => {
    for (const [key, sentence] of [
      [stranger, `This needs the scope ${kind}:read, which the key ${stranger.slice(3, 15)} does not have.`],
      [revoked, `The key ${revoked.slice(3, 15)} has been revoked.`],
    ] as const) {
      const printed = await print(...command(key))
      if (printed !== null)
        t.match(printed.replaceAll(/\s+/g, ' '), `${sentence} ${CONTACT}`, command(key)[0])
    }
  }

  for (const key of [stranger, revoked]) {
    const npm = await npmClient(t, `${gateway.proxyUrl}/npm/`, key)
    const { stderr } = await npm.run(npm.folder, 'view', 'left-pad')
    t.match(stderr, key === revoked ? ' has been revoked. Ask platform' : 'This needs the scope npm:read')
    t.match(stderr, CONTACT)
  }
  await check('generic', (key) => ['curl', '-sS', '--fail-with-body', url(key, 'generic/x')])
  await check('generic', (key) => ['wget', '-O', 'x', '--auth-no-challenge', url(key, 'generic/x')])
  await check('git', (key) => ['git', 'clone', url(key, 'git/team/repo.git'), 'clone'])
  const wheel = 'pypi/packages/six-1.0-py3-none-any.whl'
  await check('pypi', (key) => ['pip', '--isolated', 'download', '--no-input', '--no-deps', url(key, wheel)])
  // go sends no credentials without TLS.
  await writeFile(join(home, 'go.mod'), 'module example.test/m\n')
  const go = await print('go', 'get', 'example.test/x@v1.0.0')
  if (go !== null) t.match(go, `server response: This needs a key, and none was sent. ${CONTACT}`)

  await t.test('whom to ask is read again with the configuration', async (t) => {
    await writeConfig(gateway.configFile, { ...config, proxy: { refusalContact: 'Ask nobody.' } })
    gateway.child.kill('SIGHUP')
    await untilTrue('the new text', async () => {
      const { statusText } = await fetch(`${gateway.proxyUrl}/generic/x`, {
        headers: { connection: 'close' },
      })
      return statusText === 'This needs a key, and none was sent. Ask nobody.'
    })
    t.pass()
  })
})
