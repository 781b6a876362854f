import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import t from 'tap'
import { publishPackages } from './npm-packages.ts'

t.test('tarballs are the same bytes at every start, on every machine', async (t) => {
  const [one, two] = await Promise.all([publishPackages(), publishPackages()])
  t.same(one, two)
  t.equal(
    one.get('waybill-hello')?.versions.get('1.2.0')?.integrity,
    'sha512-zenWWg0WCPSCUUm8EJs6gqGIjO05h3VOL5HsawSSppKlPix0zP5fkNa2n8Zh6uX45vFTkP3OiBVnHyXb03qX1A==',
    'a published version never changes: publish a new one',
  )
})

t.test('every version is packed as its manifest and its checksums say', async (t) => {
  for (const [name, pkg] of await publishPackages()) {
    t.ok(pkg.versions.size >= 2, name)
    for (const tag of Object.values(pkg.distTags)) t.ok(pkg.versions.has(tag), `${name}@${tag}`)
    for (const [number, version] of pkg.versions) {
      const { tarball, integrity, shasum } = version
      t.equal(integrity, `sha512-${createHash('sha512').update(tarball).digest('base64')}`)
      t.equal(shasum, createHash('sha1').update(tarball).digest('hex'))
      const files = await unpack(tarball)
      t.same([...files.keys()], ['package/package.json', 'package/index.js', 'package/README.md'])
      t.equal(version.fileCount, files.size)
      t.equal(version.unpackedSize, Buffer.byteLength([...files.values()].join('')))
      const manifest = JSON.parse(files.get('package/package.json') ?? '')
      t.same(manifest, version.manifest)
      t.match(manifest, { name, version: number })
    }
  }
})

async function unpack(tarball: Buffer): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const tar = extract()
  tar.on('entry', (header, content, next) => {
    let body = ''
    content.on('data', (chunk) => (body += String(chunk)))
    content.on('end', () => {
      files.set(header.name, body)
      next()
    })
  })
  const finished = once(tar, 'finish')
  tar.end(gunzipSync(tarball))
  await finished
  return files
}
