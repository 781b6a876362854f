import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { makeStateDir } from '../test/embedded-holder.ts'
import { findBinaries, installedSources } from './postgres-binaries.ts'
import { prepareLayout } from './postgres-layout.ts'
import type { Layout } from './postgres-layout.ts'

function layoutFor(t: Test): Layout {
  const { stateDir, remove } = makeStateDir()
  t.teardown(remove)
  return prepareLayout(stateDir, () => undefined)
}

interface Link {
  source: string
  target: string
}

/** The package as an archive holds it: without links. */
function unpackedPackage(t: Test, folder: string): { packageFolder: string; links: Link[] } {
  const { packageFolder: installed } = installedSources('')
  if (installed === undefined)
    throw new Error('the npm package with the binaries of this platform is not installed')
  const links = JSON.parse(readFileSync(join(installed, 'native', 'pg-symlinks.json'), 'utf8')) as Link[]
  const targets = new Set(links.map(({ target }) => join(installed, target)))
  const packageFolder = join(folder, 'package')
  cpSync(installed, packageFolder, {
    recursive: true,
    filter: (path) => extname(path) !== '.a' && !targets.has(path),
  })
  t.notOk(existsSync(join(packageFolder, links[0]?.target ?? '')))
  return { packageFolder, links }
}

/** A folder with a `postgres` that is a shell script. */
function scriptFolder(parent: string, name: string, script: string): string {
  const folder = join(parent, name)
  mkdirSync(folder, { mode: 0o755 })
  writeFileSync(join(folder, 'postgres'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return folder
}

t.test('prefers the npm package', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  const sources = installedSources('')
  const binaries = await findBinaries(sources, { home, runAs, dataMajor: undefined })
  t.ok(binaries.folder.startsWith(sources.packageFolder ?? '-'))
  t.ok(binaries.major >= 18)
  t.equal(Number.parseInt(binaries.version, 10), binaries.major)
})

t.test('makes the links that a skipped install script left out', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  const { packageFolder, links } = unpackedPackage(t, dirname(home))
  const binaries = await findBinaries(
    { packageFolder, systemFolders: [] },
    { home, runAs, dataMajor: undefined },
  )
  t.equal(binaries.folder, join(packageFolder, 'native', 'bin'))
  for (const { target } of links) t.ok(existsSync(join(packageFolder, target)), target)
})

t.test('copies a package that can neither be completed nor entered where it is', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  const closed = join(dirname(home), 'closed')
  mkdirSync(closed, { mode: 0o700 })
  const { packageFolder } = unpackedPackage(t, closed)
  const lib = join(packageFolder, 'native', 'lib')
  chmodSync(lib, 0o555)
  t.teardown(() => chmodSync(lib, 0o755))
  const sources = { packageFolder, systemFolders: [] }
  const binaries = await findBinaries(sources, { home, runAs, dataMajor: undefined })
  t.equal(dirname(dirname(dirname(binaries.folder))), home)
  t.notOk(existsSync(`${dirname(dirname(binaries.folder))}.partial`))
  t.strictSame(await findBinaries(sources, { home, runAs, dataMajor: undefined }), binaries, 'once')
})

t.test('falls back to binaries of the system', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  const { packageFolder = '-' } = installedSources('')
  const bin = join(packageFolder, 'native', 'bin')
  const sources = { packageFolder: undefined, systemFolders: ['/nowhere', bin] }
  const binaries = await findBinaries(sources, { home, runAs, dataMajor: undefined })
  t.equal(binaries.folder, bin)
})

t.test('prefers the binaries whose version made the database', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  const folder = scriptFolder(dirname(home), 'sixteen', 'echo "postgres (PostgreSQL) 16.3"')
  writeFileSync(join(folder, 'initdb'), '')
  const { packageFolder } = installedSources('')
  const binaries = await findBinaries(
    { packageFolder, systemFolders: [folder] },
    { home, runAs, dataMajor: 16 },
  )
  t.strictSame(binaries, { folder, version: '16.3', major: 16 })
})

t.test('passes over programs that do not run, are too old, or come without initdb', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  const systemFolders = Object.entries({
    broken: 'exit 127',
    old: 'echo "postgres (PostgreSQL) 14.9"',
    mute: 'echo hello',
    alone: 'echo "postgres (PostgreSQL) 17.1 (Vendor 17)"',
  }).map(([name, script]) => scriptFolder(dirname(home), name, script))
  await t.rejects(
    findBinaries({ packageFolder: undefined, systemFolders }, { home, runAs, dataMajor: undefined }),
    {
      code: 'EMBEDDED_POSTGRES_NO_BINARIES',
      message:
        /set DATABASE_URL .*is not installed; .*status 127.*14\.9.*does not say its version.*no initdb/s,
    },
  )
})

t.test('says to set DATABASE_URL when there are no binaries at all', async (t) => {
  const { home, databaseUser: runAs } = layoutFor(t)
  await t.rejects(
    findBinaries({ packageFolder: undefined, systemFolders: [] }, { home, runAs, dataMajor: undefined }),
    { code: 'EMBEDDED_POSTGRES_NO_BINARIES', message: /set DATABASE_URL/ },
  )
})
