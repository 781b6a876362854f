import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import type { Finished } from '../harness/child.ts'
import { programFor } from '../harness/program.ts'
import { converse } from './harness/conversation.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { npmScene, type NpmScene } from './harness/npm-scene.ts'
import { assertAllCounted, assertDone, assertRefused, revokedKey, said, WRONG_KEY } from './harness/trial.ts'

t.test(
  'clients of the npm family log in with a key as password, say who they are, and log out',
  async (t) => {
    const scene = await npmScene(t)
    for (const type of ['legacy', 'web'] as const) await t.test(`npm, ${type}`, (t) => tryNpm(t, scene, type))
    await t.test('yarn', (t) => tryYarn(t, scene))
    await t.test('pnpm and bun', (t) => tryOthers(t, scene))
    t.strictSame(scene.guard.around, [], 'no request went around the gateway')
    await assertAllCounted(t, scene.db, [scene.gateway], [{ seen: scene.guard.passed }])
  },
)

/** A machine that knows the route's address and no key. */
async function strangersMachine(t: Test, { gateway }: NpmScene): Promise<Machine> {
  const machine = await newMachine(t)
  const registry = `registry=${gateway.proxyUrl}/npm/\n`
  await machine.write('../.npmrc', `${registry}update-notifier=false\nfetch-retries=0\n`)
  await machine.write('package.json', '{"name":"app","version":"1.0.0","private":true}')
  return machine
}

async function tryNpm(t: Test, scene: NpmScene, type: 'legacy' | 'web'): Promise<void> {
  const { gateway, db } = scene
  const tenant = `npm-${type}`
  const key = await gateway.mint({ tenant, scopes: ['npm:read'], flags: ['--create-tenant'] })
  const machine = await strangersMachine(t, scene)
  // A page that npm asks for is not there: it goes on to name and password.
  const login = (password: string): Promise<Finished> =>
    converse(
      machine,
      'npm',
      ['login', `--auth-type=${type}`],
      [
        [/Username:\s*$/, 'anybody'],
        [/Password:\s*$/, password],
      ],
    )
  for (const wrong of [WRONG_KEY, await revokedKey(gateway, tenant, 'npm:read')]) {
    const refused = await login(wrong)
    assertRefused(t, refused, /401|password/i)
    t.notMatch(said(refused), wrong.slice(16), 'the key is not printed')
  }
  assertRefused(t, await machine.run('npm', ['whoami']), /ENEEDAUTH|logged in/)
  assertDone(t, await login(key), 'it logs in')
  const settings = await readFile(machine.placeOf('~/.npmrc'), 'utf8')
  t.match(settings, `_authToken=${key}`, 'the token that it keeps is the key')
  const whoami = await machine.run('npm', ['whoami'])
  t.equal(whoami.stdout.trim(), tenant, 'it is told the tenant', whoami)
  assertDone(t, await machine.run('npm', ['ping']), 'it pings')
  assertDone(t, await machine.run('npm', ['view', 'acme-tool', 'version']), 'it reads')
  assertDone(t, await machine.run('npm', ['logout']), 'it logs out')
  t.notMatch(await readFile(machine.placeOf('~/.npmrc'), 'utf8'), key, 'the token is forgotten')
  assertRefused(t, await machine.run('npm', ['view', 'acme-tool', 'version']), /401|E401/)
  assertDone(t, await login(key), 'the key is as valid as before')
  const leaks = await db.query(`SELECT path FROM access_log WHERE path LIKE '%' || $1 || '%'`, [
    key.slice(16),
  ])
  t.strictSame(leaks, [], 'no entry has the secret, which npm puts into a path when it logs out')
}

async function tryYarn(t: Test, scene: NpmScene): Promise<void> {
  const yarn = await programFor(t, 'yarn')
  if (yarn === null) return
  const { gateway } = scene
  const key = await gateway.mint({ tenant: 'yarn', scopes: ['npm:read'], flags: ['--create-tenant'] })
  const machine = await strangersMachine(t, scene)
  const settings = [
    'enableTelemetry: false',
    `npmRegistryServer: ${JSON.stringify(`${gateway.proxyUrl}/npm`)}`,
    'unsafeHttpWhitelist: ["127.0.0.1"]',
  ]
  await machine.write('../.yarnrc.yml', `${settings.join('\n')}\n`)
  await machine.write('yarn.lock', '')
  // It asks on a terminal only, or takes what its own tests give.
  machine.env['YARN_IS_TEST_ENV'] = '1'
  machine.env['YARN_INJECT_NPM_USER'] = 'anybody'
  const login = (password: string): Promise<Finished> => {
    machine.env['YARN_INJECT_NPM_PASSWORD'] = password
    return machine.run(yarn, ['npm', 'login'])
  }
  const refused = await login(WRONG_KEY)
  assertRefused(t, refused, /Invalid authentication/)
  t.notMatch(said(refused), WRONG_KEY.slice(16), 'the key is not printed')
  assertDone(t, await login(key), 'it logs in')
  const whoami = await machine.run(yarn, ['npm', 'whoami'])
  t.match(whoami.stdout, 'yarn', 'it is told the tenant')
  assertDone(t, whoami, 'it says who it is')
  assertDone(t, await machine.run(yarn, ['npm', 'logout']), 'it logs out')
  assertRefused(t, await machine.run(yarn, ['npm', 'whoami']), /authentication|logged/i)
}

async function tryOthers(t: Test, scene: NpmScene): Promise<void> {
  const { gateway } = scene
  const key = await gateway.mint({ tenant: 'others', scopes: ['npm:read'], flags: ['--create-tenant'] })
  for (const [client, args] of [
    ['pnpm', ['whoami']],
    ['pnpm', ['ping']],
    ['bun', ['pm', 'whoami']],
  ] as const) {
    const program = await programFor(t, client)
    if (program === null) continue
    const machine = await newMachine(t)
    await machine.setUp(gateway, client, 'npm', key)
    await machine.write('package.json', '{"name":"app","version":"1.0.0","private":true}')
    const done = await machine.run(program, args)
    assertDone(t, done, `${client} ${args.join(' ')}`)
    if (args.at(-1) === 'whoami') t.match(said(done), 'others', 'it is told the tenant')
  }
}
