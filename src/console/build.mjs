/**
 * Builds the console into dist/console: an index page and files whose names bear their digest. What was built from the same
 * sources before is taken from .cache/console, since every test begins with a build.
 */
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const project = join(root, '../..')
const built = join(project, 'dist/console')
/** Builds kept: a few branches side by side. */
const KEPT_BUILDS = 4
const DAY_MS = 86_400_000

function digestOfSources() {
  const digest = createHash('sha256')
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && !/\.test\.tsx?$/.test(file.name))
    .map((file) => join(file.parentPath, file.name))
  for (const file of [...files.toSorted(), join(project, 'package-lock.json')]) {
    digest.update(file.slice(project.length)).update('\0').update(readFileSync(file)).update('\0')
  }
  return digest.digest('hex').slice(0, 24)
}

async function bundle(folder) {
  const { build } = await import('vite')
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2023',
      assetsDir: 'assets',
      // Data in URLs would need a wider policy; the polyfill is a script for old browsers.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  })
}

const cache = join(project, '.cache/console')
const ready = join(cache, digestOfSources())
if (!existsSync(ready)) {
  mkdirSync(cache, { recursive: true })
  const making = `${ready}.${process.pid}`
  await bundle(making)
  if (existsSync(ready)) rmSync(making, { recursive: true })
  else renameSync(making, ready)
  const others = readdirSync(cache)
    .map((name) => join(cache, name))
    .filter((folder) => folder !== ready)
  const ageOf = (folder) => Date.now() - statSync(folder, { throwIfNoEntry: false })?.mtimeMs
  const newest = others.toSorted((a, b) => ageOf(a) - ageOf(b))
  // What somebody is making bears the number of a process; a broken build leaves it.
  const old = newest.filter((folder, i) =>
    folder.includes('.', cache.length) ? ageOf(folder) > DAY_MS : i >= KEPT_BUILDS,
  )
  for (const folder of old) rmSync(folder, { recursive: true, force: true })
}
rmSync(built, { recursive: true, force: true })
cpSync(ready, built, { recursive: true })
