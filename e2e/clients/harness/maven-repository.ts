import { createHash } from 'node:crypto'
import type { FileServer } from './file-server.ts'

/** Puts an artifact of `com.example` into a repository, with its checksums. Returns the path of its jar. */
export function addArtifact({ files }: FileServer, name: string, version: string, jar: Buffer): string {
  const base = `/com/example/${name}/${version}/${name}-${version}`
  const pom = `<project><modelVersion>4.0.0</modelVersion><groupId>com.example</groupId><artifactId>${name}</artifactId><version>${version}</version></project>`
  for (const [path, bytes] of [
    [`${base}.pom`, Buffer.from(pom)],
    [`${base}.jar`, jar],
  ] as const) {
    files.set(path, bytes)
    files.set(`${path}.sha1`, Buffer.from(createHash('sha1').update(bytes).digest('hex')))
  }
  return `${base}.jar`
}

/** An artifact of `com.example` that is written `name:version`, as entries name it. */
export function named(artifact: string): { package: string; version: string } {
  const [name = '', version = ''] = artifact.split(':')
  return { package: `com.example/${name}`, version }
}
