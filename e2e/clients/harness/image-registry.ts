import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Test } from 'tap'
import { hasEnded, runCommand, spawnPlain } from '../../harness/child.ts'
import { freePort } from '../../harness/loopback.ts'
import { testFolder } from '../../harness/product.ts'
import { untilTrue } from '../../harness/wait.ts'
import { sha256 } from './file-server.ts'

/** A real registry, whose log counts its requests. */
export interface ImageRegistry {
  /** Ends with a slash. */
  readonly url: string
  /** A line of the access log for each request but those for `/v2/`, which the gateway answers itself. */
  readonly seen: string[]
}

/** Starts Debian's docker-registry in a folder of its own; ended on teardown. */
export async function startImageRegistry(t: Test, program: string): Promise<ImageRegistry> {
  const folder = await testFolder(t)
  const port = await freePort()
  const file = join(folder, 'config.yml')
  // JSON is YAML.
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, relativeurls: true },
  }
  await writeFile(file, JSON.stringify(config))
  const child = spawnPlain(program, ['serve', file], { cwd: folder, env: { HOME: folder } })
  const seen: string[] = []
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    seen.push(...lines.filter((line) => line.includes(' HTTP/1.1" ') && !line.includes('"GET /v2/ HTTP')))
  })
  child.stderr?.resume()
  t.teardown(async () => {
    if (hasEnded(child)) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  })
  const url = `http://127.0.0.1:${port}/`
  await untilTrue('the registry answers', () =>
    fetch(`${url}v2/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return { url, seen }
}

/** Makes an image of one layer, with this file in it, as an OCI layout (image specification) in a folder. Returns its manifest's digest. */
export async function makeImage(layout: string, tag: string, content: Uint8Array): Promise<string> {
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true })
  await writeFile(join(layout, 'content'), content)
  const packed = await runCommand('tar', ['-C', layout, '-cf', 'layer.tar', 'content'], { cwd: layout })
  if (packed.code !== 0) throw new Error(packed.stderr)
  const tar = await readFile(join(layout, 'layer.tar'))
  const add = async (type: string, bytes: Uint8Array): Promise<object> => {
    await writeFile(join(layout, 'blobs/sha256', sha256(bytes)), bytes)
    return {
      mediaType: `application/vnd.oci.image.${type}`,
      digest: `sha256:${sha256(bytes)}`,
      size: bytes.length,
    }
  }
  const layer = await add('layer.v1.tar+gzip', gzipSync(tar))
  const rootfs = { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] }
  const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: await add('config.v1+json', Buffer.from(JSON.stringify(config))),
      layers: [layer],
    }),
  )
  const annotations = { 'org.opencontainers.image.ref.name': tag }
  const index = {
    schemaVersion: 2,
    manifests: [{ ...(await add('manifest.v1+json', manifest)), annotations }],
  }
  await writeFile(join(layout, 'index.json'), JSON.stringify(index))
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return `sha256:${sha256(manifest)}`
}
