import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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
  /** Runs curl and returns the answer taken apart. Rejects when it fails. */
  get(...args: readonly string[]): Promise<CurlAnswer>
}

/** An answer as curl left it in files. */
export interface CurlAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly fields: ReadonlyMap<string, string>
  readonly body: Buffer
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
  let answers = 0
  const get: Curl['get'] = async (...args) => {
    const [head, body] = [join(folder, `head-${++answers}`), join(folder, `body-${answers}`)]
    // An empty body leaves no file.
    await writeFile(body, '')
    await ask('', '--dump-header', head, '--output', body, ...args)
    return { ...lastHead(await readFile(head, 'latin1')), body: await readFile(body) }
  }
  return { folder, run, ask, get }
}

/** Interim answers such as 100 come before the last. */
function lastHead(text: string): Pick<CurlAnswer, 'status' | 'fields'> {
  const [statusLine = '', ...lines] = text.trimEnd().split('\r\n\r\n').at(-1)?.split('\r\n') ?? []
  const fields = lines.map((line): [string, string] => {
    const [, name = '', value = ''] = /^([^:]+): ?(.*)$/.exec(line) ?? []
    return [name.toLowerCase(), value]
  })
  return { status: Number(statusLine.split(' ')[1]), fields: new Map(fields) }
}
