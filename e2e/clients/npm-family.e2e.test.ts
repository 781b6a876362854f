import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import type { Finished } from '../harness/child.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { npmClient } from '../harness/npm.ts'
import { startVerdaccio } from '../harness/verdaccio.ts'
import { findProgram, newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'

/** How one client of the family is used. */
interface Client {
  readonly name: string
  /** Arguments that install what package.json names, from an empty cache. */
  readonly install: readonly string[]
  readonly publish: readonly string[] | null
  /** More of its configuration, by file of the home folder. */
  readonly settings?: Readonly<Record<string, string>>
  /** What it prints when its key is refused. */
  readonly refused: RegExp
}

const CLIENTS: readonly Client[] = [
  {
    name: 'npm',
    install: ['install', '--no-audit', '--fetch-retries=0'],
    publish: ['publish'],
    refused: /E401|revoked/,
  },
  {
    name: 'pnpm',
    install: ['install', '--config.fetch-retries=0', '--config.minimum-release-age=0'],
    publish: null,
    refused: /401/,
  },
  { name: 'yarn1', install: ['install', '--no-progress'], publish: null, refused: /revoked|401/ },
  {
    name: 'yarn',
    install: ['install', '--no-immutable'],
    publish: null,
    settings: {
      '.yarnrc.yml': 'enableTelemetry: false\nnpmMinimalAgeGate: 0\nnodeLinker: node-modules\nhttpRetry: 0\n',
    },
    refused: /Invalid authentication|401/,
  },
  { name: 'bun', install: ['install', '--no-progress'], publish: null, refused: /401/ },
]

interface Scene {
  readonly db: TestDatabase
  readonly gateway: TestGateway
}

/** An npm registry behind a gateway, with a library and a package that depends on it. */
async function npmScene(t: Test): Promise<Scene> {
  const db = await testDatabase(t)
  const verdaccio = await startVerdaccio(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'npm', kind: 'npm', path: '/npm/', upstream: verdaccio.url }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  await verdaccio.setPublicUrl(gateway.proxyUrl)
  const key = await gateway.mint({ tenant: 'release', scopes: ['npm:*'] })
  const publisher = await npmClient(t, `${gateway.proxyUrl}/npm/`, key)
  for (const manifest of [
    { name: '@acme/base', version: '1.2.3' },
    { name: 'acme-tool', version: '2.0.0', dependencies: { '@acme/base': '^1.0.0' } },
  ]) {
    const done = await publisher.run(await publisher.write(manifest), 'publish', '--access=public')
    if (done.code !== 0) throw new Error(done.stderr)
  }
  return { db, gateway }
}

async function machineOf(t: Test, { gateway }: Scene, client: Client, key: string): Promise<Machine> {
  const machine = await newMachine(t)
  await machine.setUp(gateway, client.name, 'npm', key)
  for (const [file, text] of Object.entries(client.settings ?? {})) {
    await appendFile(machine.placeOf(`~/${file}`), text)
  }
  const app = { name: 'app', version: '1.0.0', private: true, dependencies: { 'acme-tool': '^2.0.0' } }
  await machine.write('package.json', JSON.stringify(app))
  return machine
}

t.test('the npm family works through a gateway, set up as `waybill setup` says', async (t) => {
  const scene = await npmScene(t)
  for (const client of CLIENTS) await t.test(client.name, (t) => tryClient(t, scene, client))
})

/** Installs, looks for what was installed in the log, and is refused. */
async function tryClient(t: Test, scene: Scene, client: Client): Promise<void> {
  const program = await findProgram(client.name)
  if (program === null) {
    t.comment(`NOT RUN: ${client.name} is not on this machine`)
    return
  }
  const key = await scene.gateway.mint({
    tenant: client.name,
    scopes: ['npm:read'],
    flags: ['--create-tenant'],
  })
  const machine = await machineOf(t, scene, client, key)
  const version = (await machine.run(program, ['--version'])).stdout.trim().split('\n')[0] ?? ''
  const report = new Report(client.name, version)
  report.note('setup')

  const installed = await machine.run(program, client.install)
  t.equal(installed.code, 0, 'it installs', { stderr: installed.stderr, stdout: installed.stdout })
  const module = await readFile(join(machine.project, 'node_modules/acme-tool/index.js'), 'utf8')
  t.match(module, 'acme-tool')
  report.note('install')
  report.note('login')

  const tarballs = `path LIKE '%.tgz' AND tenant = '${client.name}' AND status = 200`
  await waitForEntries(scene.db, 2, { where: tarballs })
  const rows = await scene.db.query(
    `SELECT DISTINCT package, version FROM access_log WHERE ${tarballs} ORDER BY 1`,
  )
  const isIdentified = t.strictSame(rows, [
    { package: '@acme/base', version: '1.2.3' },
    { package: 'acme-tool', version: '2.0.0' },
  ])
  if (isIdentified) report.note('identified')

  await scene.gateway.must('keys', 'revoke', key.slice(3, 15), '--wait')
  const other = await machineOf(t, scene, client, key)
  const refused = await other.run(program, client.install)
  t.not(refused.code, 0)
  t.match(said(refused), client.refused)
  report.note('refused', /revoked/.test(said(refused)) ? 'yes' : 'status only')
}

function said({ stdout, stderr }: Finished): string {
  return stdout + stderr
}
