import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import type { Test } from 'tap'
import { runCommand, type Finished } from '../../harness/child.ts'
import type { TestGateway } from '../../harness/gateway.ts'
import { testFolder } from '../../harness/product.ts'

/** What `waybill setup --json` prints. */
export interface Setup {
  readonly url: string
  readonly files: readonly { readonly path: string; readonly content: string; readonly isSecret: boolean }[]
  readonly environment: Readonly<Record<string, string>>
  readonly commands: readonly string[]
  readonly examples: readonly string[]
}

/** A developer's machine: an empty home folder and a project folder, where a client is set up as `waybill setup` says. */
export class Machine {
  readonly home: string
  readonly project: string
  readonly env: Record<string, string>

  constructor(home: string) {
    this.home = home
    this.project = join(home, 'project')
    // Yarn 1 has one cache for all when root runs it.
    this.env = { HOME: home, YARN_CACHE_FOLDER: join(home, '.yarn-cache') }
  }

  /** Does what `waybill setup` prints for a client, where the gateway is reached at `url`: files, environment, commands. */
  async setUp(
    gateway: TestGateway,
    client: string,
    route: string,
    key: string,
    url = gateway.proxyUrl,
  ): Promise<Setup> {
    const text = await gateway.must('setup', client, '--route', route, '--key', key, '--url', url, '--json')
    const setup = JSON.parse(text) as Setup
    for (const { path, content, isSecret } of setup.files) {
      const place = this.placeOf(path)
      await mkdir(dirname(place), { recursive: true })
      await writeFile(place, content)
      if (isSecret) await chmod(place, 0o600)
    }
    Object.assign(this.env, setup.environment)
    for (const command of setup.commands) {
      const { code, stderr } = await this.run('sh', ['-c', command])
      if (code !== 0) throw new Error(`${command.replaceAll(key, '***')} failed: ${stderr}`)
    }
    return setup
  }

  /** Makes commands find this program under another name than its file's. */
  async alias(name: string, program: string): Promise<void> {
    const folder = join(this.home, 'bin')
    await mkdir(folder, { recursive: true })
    await symlink(program, join(folder, name))
    this.env['PATH'] = `${folder}${delimiter}${process.env['PATH'] ?? ''}`
  }

  /** Where a file that `waybill setup` names belongs on this machine. */
  placeOf(path: string): string {
    if (path.startsWith('~/')) return join(this.home, path.slice(2))
    return path.startsWith('/') ? join(this.home, 'root', path) : join(this.project, path)
  }

  /** Writes a file of the project. Returns its path. */
  async write(path: string, content: string | Uint8Array): Promise<string> {
    const place = join(this.project, path)
    await mkdir(dirname(place), { recursive: true })
    await writeFile(place, content)
    return place
  }

  /** Runs a program in the project's folder, or in one below it. */
  async run(
    program: string,
    args: readonly string[],
    options: { readonly below?: string; readonly timeoutMs?: number; readonly input?: string } = {},
  ): Promise<Finished> {
    const { below = '', timeoutMs = 60_000, input } = options
    return runCommand(program, args, {
      cwd: join(this.project, below),
      env: this.env,
      timeoutMs,
      ...(input === undefined ? {} : { input }),
    })
  }
}

/** A machine of its own, gone on teardown. */
export async function newMachine(t: Test): Promise<Machine> {
  const machine = new Machine(await testFolder(t))
  await mkdir(machine.project, { recursive: true })
  return machine
}
