import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LOCALHOST } from '../harness/certificates.ts'
import { runCommand } from '../harness/child.ts'
import { assertHandsOver, frontEnv, type FrontPlace, nginxArguments, nginxHttp } from '../harness/front.ts'
import { projectFolder, testFolder } from '../harness/product.ts'
import { noteMissing, programFor } from '../harness/program.ts'

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** A file of `deploy/` with other ports and files in it; throws when it does not have what is to be replaced. */
async function adapted(file: string, replacements: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(join(projectFolder(), 'deploy', file), 'utf8')
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

/** Paths of files besides. */
interface Place extends FrontPlace {
  readonly cert: string
  readonly key: string
}

interface Front {
  readonly name: string
  readonly program: string
  /** What has to be there beside the program: a file. */
  readonly needs?: string
  readonly endsTls: boolean
  /** Writes what it is run with; gives the arguments that check it, and those that run it. */
  readonly configure: (place: Place) => Promise<Commands>
}

interface Commands {
  readonly check: readonly string[]
  readonly run: readonly string[]
}

async function nginxOf({ folder }: Place, block: string, head?: string): Promise<Commands> {
  const run = await nginxArguments(folder, block, head)
  return { check: ['-t', ...run], run }
}

const FRONTS: readonly Front[] = [
  {
    name: 'nginx/waybill.conf',
    program: 'nginx',
    endsTls: true,
    configure: async (place) => {
      const { folder, port, gateway, cert, key } = place
      const block = await adapted('nginx/waybill.conf', {
        'server 127.0.0.1:8080': `server ${gateway}`,
        'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
        '/etc/ssl/artifacts/fullchain.pem': cert,
        '/etc/ssl/artifacts/privkey.pem': key,
      })
      return nginxOf(place, nginxHttp(folder, block))
    },
  },
  {
    name: 'nginx/waybill-stream.conf',
    program: 'nginx',
    needs: STREAM_MODULE,
    endsTls: false,
    configure: async (place) => {
      const block = await adapted('nginx/waybill-stream.conf', {
        'server 127.0.0.1:8443': `server ${place.gateway}`,
        'listen 443': `listen 127.0.0.1:${place.port}`,
      })
      return nginxOf(place, block, `load_module ${STREAM_MODULE};\n`)
    },
  },
  {
    name: 'caddy/Caddyfile',
    program: 'caddy',
    endsTls: true,
    configure: async ({ folder, port, gateway, cert, key }) => {
      const file = join(folder, 'Caddyfile')
      const site = await adapted('caddy/Caddyfile', {
        'artifacts.example.com {': `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`,
        'reverse_proxy 127.0.0.1:8080': `reverse_proxy ${gateway}`,
      })
      await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`)
      const args = ['--config', file, '--adapter', 'caddyfile']
      return { check: ['validate', ...args], run: ['run', ...args] }
    },
  },
]

/** Whether a front can be run here; it is named where it cannot. */
async function isThere(t: Test, { name, program, needs }: Front): Promise<boolean> {
  if ((await programFor(t, program, `deploy/${name}`)) === null) return false
  if (needs === undefined || existsSync(needs)) return true
  noteMissing(t, needs, `deploy/${name}`)
  return false
}

for (const front of FRONTS) {
  t.test(`behind deploy/${front.name} the gateway knows the client, and that it came by TLS`, async (t) => {
    if (!(await isThere(t, front))) return
    const folder = await testFolder(t)
    const [cert, key] = [join(folder, 'fullchain.pem'), join(folder, 'privkey.pem')]
    await writeFile(cert, LOCALHOST.cert)
    await writeFile(key, LOCALHOST.key)
    const scheme = await assertHandsOver(t, {
      program: front.program,
      folder,
      listen: front.endsTls ? {} : { tls: { cert, key }, proxyProtocol: true },
      isTls: true,
      configure: async (place) => {
        const { check, run } = await front.configure({ ...place, cert, key })
        const checked = await runCommand(front.program, check, { cwd: folder, env: frontEnv(folder) })
        const said = checked.stdout + checked.stderr
        t.equal(checked.code, 0, `${front.program} ${check[0]}`, { said })
        return run
      },
    })
    t.equal(scheme, 'https', 'what the upstream is told')
  })
}

t.test('caddy takes the Caddyfile as it is', async (t) => {
  const front = FRONTS.find(({ program }) => program === 'caddy')
  if (front === undefined || !(await isThere(t, front))) return
  const folder = await testFolder(t)
  const file = join(projectFolder(), 'deploy/caddy/Caddyfile')
  const env = frontEnv(folder)
  const { code, stderr } = await runCommand('caddy', ['validate', '--config', file], { cwd: folder, env })
  t.equal(code, 0, 'caddy validate', { stderr })
  const formatted = await runCommand('caddy', ['fmt', file], { cwd: folder, env })
  t.equal(formatted.stdout, await readFile(file, 'utf8'), 'and would not write it otherwise')
})
