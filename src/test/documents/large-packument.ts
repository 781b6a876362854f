import { createHash } from 'node:crypto'

/** A full document of as many versions as it takes, each of 2.4 kB. */
export function largePackument(start: string, size: number): Buffer {
  const versions: string[] = []
  for (let bytes = 0, i = 0; bytes < size; i++) {
    const digest = createHash('sha512').update(`${i}`).digest('base64')
    const version = JSON.stringify({
      name: 'large',
      version: `1.${i}.0`,
      description:
        'A package with "many" versions, each of which says the same of itself \\ and of others. '.repeat(6),
      dependencies: Object.fromEntries(
        Array.from({ length: 24 }, (_, n) => [`dependency-${n}`, `^${n}.${i}.0`]),
      ),
      scripts: { build: 'tsc -p tsconfig.json', test: 'tap', prepare: 'npm run build && npm run test' },
      maintainers: [{ name: 'someone', email: 'someone@example.com' }],
      dist: {
        integrity: `sha512-${digest}`,
        shasum: digest.slice(0, 40),
        tarball: `${start}large/-/large-1.${i}.0.tgz`,
        fileCount: 12,
        signatures: [{ keyid: 'SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA', sig: digest }],
      },
    })
    versions.push(`"1.${i}.0":${version}`)
    bytes += versions.at(-1)?.length ?? 0
  }
  return Buffer.from(`{"name":"large","dist-tags":{"latest":"1.0.0"},"versions":{${versions.join(',')}}}`)
}
