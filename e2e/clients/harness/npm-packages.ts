import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'

/** A package as a test makes it up. */
export interface MadePackage {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  /** Bytes that cannot be compressed, to make the file as large. */
  readonly ballastBytes?: number
}

/** A package's file, and what its registry says of it. */
export interface PackedPackage extends MadePackage {
  readonly tarball: Buffer
  /** `sha512-…`, as lock files have it. */
  readonly integrity: string
  readonly shasum: string
  /** `/@scope/name/-/name-1.0.0.tgz` */
  readonly path: string
}

const BLOCK = 512

/** Packs a package as `npm pack` does: a gzip'd tar with everything below `package/`. */
export function pack(made: MadePackage): PackedPackage {
  const { name, version, dependencies = {}, ballastBytes = 0 } = made
  const files: [string, Buffer][] = [
    ['package/package.json', Buffer.from(JSON.stringify({ name, version, main: 'index.js', dependencies }))],
    ['package/index.js', Buffer.from(`module.exports = ${JSON.stringify(`${name} ${version}`)}\n`)],
  ]
  if (ballastBytes > 0) files.push(['package/ballast.bin', noise(`${name}@${version}`, ballastBytes)])
  const tarball = gzipSync(Buffer.concat([...files.map(entry), Buffer.alloc(2 * BLOCK)]), { level: 1 })
  return {
    ...made,
    tarball,
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
    path: `/${name}/-/${baseOf(name)}-${version}.tgz`,
  }
}

/** What a registry tells of a package of one version, its file at `origin` (no slash at the end) followed by its path. */
export function packument(packed: PackedPackage, origin: string): Record<string, unknown> {
  const { name, version, dependencies = {}, integrity, shasum, path } = packed
  const dist = { integrity, shasum, tarball: `${origin}${path}` }
  return {
    _id: name,
    name,
    'dist-tags': { latest: version },
    versions: {
      [version]: { _id: `${name}@${version}`, name, version, main: 'index.js', dependencies, dist },
    },
  }
}

/** The body that `npm publish` puts. */
export function publishBody(packed: PackedPackage, origin: string): string {
  const { name, version, tarball } = packed
  const attachment = {
    content_type: 'application/octet-stream',
    data: tarball.toString('base64'),
    length: tarball.length,
  }
  return JSON.stringify({
    ...packument(packed, origin),
    access: 'public',
    _attachments: { [`${baseOf(name)}-${version}.tgz`]: attachment },
  })
}

function baseOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}

/** A file of a tar archive (POSIX.1-1988, ustar): its head, its bytes, filled up to whole blocks. */
function entry([path, content]: [string, Buffer]): Buffer {
  const head = Buffer.alloc(BLOCK)
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`
  const fields: [number, string][] = [
    [0, path],
    [100, octal(0o644, 8)],
    [108, octal(0, 8)],
    [116, octal(0, 8)],
    [124, octal(content.length, 12)],
    [136, octal(0, 12)],
    [148, ' '.repeat(8)],
    [156, '0'],
    [257, 'ustar\0'],
    [263, '00'],
  ]
  for (const [at, text] of fields) head.write(text, at, 'latin1')
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([head, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)])
}

/** Bytes that look random and are the same each time. */
function noise(seed: string, length: number): Buffer {
  const parts: Buffer[] = []
  for (let n = 0; n * 64 < length; n++) parts.push(createHash('sha512').update(`${seed} ${n}`).digest())
  return Buffer.concat(parts).subarray(0, length)
}
