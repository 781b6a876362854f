import { startFiles } from './files.ts'
import type { SampleListenerOptions } from './listener.ts'
import { startNpmRegistry } from './npm-registry.ts'
import { startWebhookEcho } from './webhook-echo.ts'

/** The sample upstreams, listening. Every address ends with a slash. */
export interface Samples {
  npmUrl: string
  filesUrl: string
  echoUrl: string
  /** Stops all of them and ends their open connections. Idempotent: every call returns the same promise. */
  close(): Promise<void>
}

/**
 * Starts the upstreams that `waybill demo` puts behind the gateway, each on a free port of `options.host` (default
 * `127.0.0.1`). They need no network. All or nothing: when one cannot start, the others are closed and this rejects.
 */
export async function startSamples(options: SampleListenerOptions = {}): Promise<Samples> {
  const starting = [startNpmRegistry(options), startFiles(options), startWebhookEcho(options)] as const
  try {
    const [npm, files, echo] = await Promise.all(starting)
    let closed: Promise<void> | undefined
    return {
      npmUrl: npm.url,
      filesUrl: files.url,
      echoUrl: echo.url,
      close() {
        closed ??= Promise.all([npm.close(), files.close(), echo.close()]).then(() => {})
        return closed
      },
    }
  } catch (error) {
    const settled = await Promise.allSettled(starting)
    await Promise.all(settled.map(async (one) => one.status === 'fulfilled' && one.value.close()))
    throw error
  }
}
