import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { samplePackages, type SamplePackage, type SampleVersion } from './npm-sources.ts'

/** A published version: its manifest and its tarball. */
export interface PublishedVersion {
  /** `package.json` as packed. */
  manifest: Record<string, unknown>
  publishedAt: string
  /** File name of the tarball, without the scope: `colors-1.1.0.tgz`. */
  tarballName: string
  tarball: Buffer
  /** Subresource integrity of the tarball: `sha512-<base64>`. */
  integrity: string
  /** SHA-1 of the tarball in hex, for clients of old. */
  shasum: string
  fileCount: number
  unpackedSize: number
}

/** A package with all its versions, the oldest first. */
export interface PublishedPackage {
  name: string
  description: string
  readme: string
  distTags: Readonly<Record<string, string>>
  versions: ReadonlyMap<string, PublishedVersion>
}

/** The modification time that npm itself writes into every tarball, so that the same content is the same bytes. */
const packedAt = new Date('1985-10-26T08:15:00.000Z')

/** Builds the sample packages. The tarballs are the same bytes at every start and on every machine. */
export async function publishPackages(): Promise<ReadonlyMap<string, PublishedPackage>> {
  const published = new Map<string, PublishedPackage>()
  for (const source of samplePackages) {
    const versions = new Map<string, PublishedVersion>()
    for (const version of source.versions)
      versions.set(version.version, await publishVersion(source, version))
    const { name, description, distTags } = source
    published.set(name, { name, description, readme: readmeOf(source), distTags, versions })
  }
  return published
}

async function publishVersion(source: SamplePackage, version: SampleVersion): Promise<PublishedVersion> {
  const manifest: Record<string, unknown> = {
    name: source.name,
    version: version.version,
    description: source.description,
    license: 'Apache-2.0',
    main: 'index.js',
    ...(source.bin === undefined ? {} : { bin: { [source.bin]: 'index.js' } }),
    ...(source.dependencies === undefined ? {} : { dependencies: source.dependencies }),
  }
  const files = new Map([
    ['package.json', `${JSON.stringify(manifest, null, 2)}\n`],
    ['index.js', version.code],
    ['README.md', readmeOf(source)],
  ])
  const tarball = await packTarball(files)
  let unpackedSize = 0
  for (const content of files.values()) unpackedSize += Buffer.byteLength(content)
  return {
    manifest,
    publishedAt: version.publishedAt,
    tarballName: `${source.name.replace(/^@[^/]+\//, '')}-${version.version}.tgz`,
    tarball,
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
    fileCount: files.size,
    unpackedSize,
  }
}

async function packTarball(files: ReadonlyMap<string, string>): Promise<Buffer> {
  const tar = pack()
  for (const [name, content] of files) {
    tar.entry(
      { name: `package/${name}`, mtime: packedAt, mode: name === 'index.js' ? 0o755 : 0o644 },
      content,
    )
  }
  tar.finalize()
  // Level 0: compressed bytes differ between zlib builds, stored ones do not, and these files are small.
  const tarball = gzipSync(await buffer(tar), { level: 0 })
  // Byte 9 names the operating system (RFC 1952 §2.3.1); 255 is "unknown", on all of them.
  tarball[9] = 255
  return tarball
}

function readmeOf(source: SamplePackage): string {
  return `# ${source.name}\n\n${source.description}.\n`
}
