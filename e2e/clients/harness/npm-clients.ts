import { appendFile } from 'node:fs/promises'
import type { Test } from 'tap'
import type { TestGateway } from '../../harness/gateway.ts'
import { newMachine, type Machine } from './machine.ts'

/** How one client of the npm family is used. */
export interface NpmClient {
  readonly name: string
  /** Arguments that install what package.json names, without repeating what fails. */
  readonly install: readonly string[]
  /** The same, repeating what fails after as short a time as the client can be told to. */
  readonly persist: readonly string[]
  /** Arguments that publish the project's package. */
  readonly publish: readonly string[]
  /** More of its configuration, by file of the home folder. */
  readonly settings?: Readonly<Record<string, string>>
  /** What it writes of addresses and hashes, in the project's folder. */
  readonly lockFile: string
}

const YARN =
  'enableTelemetry: false\nnpmMinimalAgeGate: 0\nnodeLinker: node-modules\nenableGlobalCache: false\n'

export const NPM_CLIENTS: readonly NpmClient[] = [
  {
    name: 'npm',
    install: ['install', '--no-audit', '--no-fund', '--fetch-retries=0'],
    persist: ['install', '--no-audit', '--no-fund', '--fetch-retries=2', '--fetch-retry-mintimeout=1100'],
    publish: ['publish', '--fetch-retries=0'],
    settings: { '.npmrc': 'update-notifier=false\n' },
    lockFile: 'package-lock.json',
  },
  {
    name: 'pnpm',
    install: ['install', '--config.fetch-retries=0', '--config.minimum-release-age=0'],
    persist: [
      'install',
      '--config.fetch-retries=2',
      '--config.fetch-retry-mintimeout=1100',
      '--config.minimum-release-age=0',
    ],
    publish: ['publish', '--no-git-checks'],
    lockFile: 'pnpm-lock.yaml',
  },
  {
    name: 'yarn1',
    install: ['install', '--no-progress', '--non-interactive'],
    persist: ['install', '--no-progress', '--non-interactive'],
    publish: ['publish', '--non-interactive', '--no-git-tag-version', '--new-version', '1.0.0'],
    lockFile: 'yarn.lock',
  },
  {
    name: 'yarn',
    install: ['install', '--no-immutable'],
    persist: ['install', '--no-immutable'],
    publish: ['npm', 'publish'],
    settings: { '.yarnrc.yml': YARN },
    lockFile: 'yarn.lock',
  },
  {
    name: 'bun',
    install: ['install', '--no-progress'],
    persist: ['install', '--no-progress'],
    publish: ['publish'],
    lockFile: 'bun.lock',
  },
]

/** A machine on which a client is set up for the route `npm`, with a project that depends on `dependencies`. */
export async function machineFor(
  t: Test,
  gateway: TestGateway,
  client: NpmClient,
  place: {
    readonly key: string
    readonly dependencies?: Readonly<Record<string, string>>
    readonly url?: string
  },
): Promise<Machine> {
  const { key, dependencies = {}, url = gateway.proxyUrl } = place
  const machine = await newMachine(t)
  await machine.setUp(gateway, client.name, 'npm', key, url)
  for (const [file, text] of Object.entries(client.settings ?? {})) {
    await appendFile(machine.placeOf(`~/${file}`), text)
  }
  await machine.write(
    'package.json',
    JSON.stringify({ name: 'app', version: '1.0.0', private: true, dependencies }),
  )
  return machine
}
