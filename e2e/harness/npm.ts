import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { runCommand, type Finished } from './child.ts'
import { testFolder } from './product.ts'

/** A developer's machine with the real npm client: a home folder and a cache of its own. */
export interface NpmClient {
  readonly folder: string
  /** Makes the folder of a package, with its package.json and an index.js. Returns the folder. */
  write(manifest: Readonly<Record<string, unknown>> & { readonly name: string }): Promise<string>
  /** Runs npm in a folder. */
  run(folder: string, ...args: readonly string[]): Promise<Finished>
}

/** Configures the real npm client for a registry and a key, the way the documentation says: an `.npmrc` in the home folder. */
export async function npmClient(t: Test, registry: string, key: string | null): Promise<NpmClient> {
  const folder = await testFolder(t)
  const bare = registry.slice(registry.indexOf('//'))
  const lines = [`registry=${registry}`, 'fund=false', 'update-notifier=false', 'fetch-retries=0']
  if (key !== null) lines.push(`${bare}:_authToken=${key}`)
  await writeFile(join(folder, '.npmrc'), `${lines.join('\n')}\n`)
  return {
    folder,
    write: async (manifest) => {
      const path = join(folder, manifest.name.replace('/', '-'))
      await mkdir(path)
      await writeFile(join(path, 'package.json'), JSON.stringify(manifest))
      await writeFile(join(path, 'index.js'), `module.exports = ${JSON.stringify(manifest.name)}\n`)
      return path
    },
    run: (cwd, ...args) =>
      runCommand('npm', args, {
        cwd,
        env: { HOME: folder, npm_config_cache: join(folder, '.cache') },
        timeoutMs: 40_000,
      }),
  }
}
