import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { plainEnv } from './child.ts'
import { testFolder } from './product.ts'

const SCRIPT = fileURLToPath(new URL('./verdaccio-process.js', import.meta.url))

/** A real npm registry, empty, in which anybody may publish. */
export interface Verdaccio {
  /** Ends with a slash. */
  readonly url: string
  /** Tells it under which origin clients reach it; without, its tarball addresses lead around the gateway. */
  setPublicUrl(origin: string): Promise<void>
}

/**
 * Starts a Verdaccio in a process of its own; it ends on teardown, and with us in any case. Clients reach it below `prefix`, which
 * whoever is in front takes away.
 */
export async function startVerdaccio(t: Test, prefix = '/npm/'): Promise<Verdaccio> {
  const folder = await testFolder(t)
  const child = fork(SCRIPT, [folder, prefix], {
    env: plainEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const failed = closed.then(() => {
    throw new Error(`verdaccio ended: ${stderr}`)
  })
  failed.catch(() => {})
  const [port] = (await Promise.race([once(child, 'message'), failed])) as [number]
  return {
    url: `http://127.0.0.1:${port}/`,
    setPublicUrl: async (origin) => {
      const told = once(child, 'message')
      child.send(origin)
      await Promise.race([told, failed])
    },
  }
}
