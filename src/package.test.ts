import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { projectFolder } from './version.ts'

// npm reads hundreds of files, and takes its time where others work too.
t.setTimeout(120_000)
t.test('A4: the package holds the product, its migrations and documents, and no test', async (t) => {
  const options = { cwd: projectFolder(), maxBuffer: 8 * 1024 ** 2 }
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts'],
    options,
  )
  const packed = JSON.parse(stdout) as [{ files: { path: string }[] }]
  const paths = packed[0].files.map((file) => file.path)
  t.same(
    paths.filter((path) =>
      /\.test\.|\/test-|\.bench\.|^dist\/(e2e|bench|test)\/|^(src|e2e|bench)\/|\.map$/.test(path),
    ),
    [],
    'nothing but the product',
  )
  for (const path of [
    'dist/main.js',
    'dist/worker.js',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'package.json',
  ]) {
    t.ok(paths.includes(path), path)
  }
  t.ok(
    paths.some((path) => path.startsWith('migrations/0001-')),
    'migrations',
  )
})
