import type { Test } from 'tap'
import { runCommand, type Finished } from './child.ts'
import { testFolder } from './product.ts'

/** The real curl in a folder of its own, where it leaves its files. */
export interface Curl {
  readonly folder: string
  /** Runs curl; its exit status is not judged. */
  run(...args: readonly string[]): Promise<Finished>
  /** Runs curl and returns what it printed with `--write-out <format>` after the body. Rejects when it fails. */
  ask(format: string, ...args: readonly string[]): Promise<string>
}

/** Makes a folder for curl. Nobody's ~/.curlrc is read. */
export async function curlClient(t: Test): Promise<Curl> {
  const folder = await testFolder(t)
  const run: Curl['run'] = (...args) =>
    runCommand('curl', ['--disable', '--silent', '--show-error', '--max-time', '20', ...args], {
      cwd: folder,
      env: { HOME: folder },
    })
  const ask: Curl['ask'] = async (format, ...args) => {
    const { code, stdout, stderr } = await run('--write-out', format, ...args)
    if (code !== 0) throw new Error(`curl exited with ${code}: ${stderr}`)
    return stdout
  }
  return { folder, run, ask }
}
