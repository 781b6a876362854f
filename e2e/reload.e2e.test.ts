import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway, writeConfig, type GatewayConfig, type LogLine } from './harness/gateway.ts'
import { startUpstream } from './harness/upstream.ts'

t.test('the configuration is reloaded while the gateway runs', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const route = (name: string) => ({ name, kind: 'generic', path: `/${name}/`, upstream: upstream.url })
  const gateway = await startGateway(t, { databaseUrl: db.url, config: { routes: [route('one')] } })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['*:read'] })
  const statusOf = async (name: string): Promise<number> =>
    (await request(`${gateway.proxyUrl}/${name}/ok`, { key })).status
  /**
   * Replaces the file and waits for the line that says that it was taken over. The gateway looks at the file by itself as
   * well, so a line may come twice: neighbouring steps have other numbers of routes.
   */
  const reload = async (config: GatewayConfig, routes: number, signal: boolean): Promise<LogLine> => {
    const from = gateway.log.length
    await writeConfig(gateway.configFile, config)
    if (signal) gateway.child.kill('SIGHUP')
    const isIt = (line: LogLine): boolean =>
      line['msg'] === 'configuration reloaded' && line['routes'] === routes
    return gateway.waitForLog(`reload of ${routes} routes`, isIt, { from })
  }
  const refusal = (from: number, problem: RegExp): Promise<LogLine> =>
    gateway.waitForLog('refusal of the file', ({ problems }) => problem.test(String(problems)), { from })

  t.equal(await statusOf('one'), 200)
  t.equal(await statusOf('two'), 404)

  await t.test('by SIGHUP', async (t) => {
    await reload({ routes: [route('one'), route('two')] }, 2, true)
    t.equal(await statusOf('one'), 200)
    t.equal(await statusOf('two'), 200)
  })

  await t.test('by a new file in the place of the old one', async (t) => {
    const line = await reload({ routes: [route('two'), route('three'), route('four')] }, 3, false)
    t.equal(line['cause'], 'file')
    t.equal(await statusOf('three'), 200)
    t.equal(await statusOf('one'), 404, 'a route that is gone is gone')
  })

  await t.test('an invalid file changes nothing and says all that is wrong', async (t) => {
    const invalid = {
      routes: [
        { ...route('five'), kind: 'nonsense' },
        { ...route('six'), upstream: 'not a url' },
      ],
    }
    const from = gateway.log.length
    await writeConfig(gateway.configFile, invalid)
    gateway.child.kill('SIGHUP')
    const line = await refusal(from, /five/)
    t.match(line, { level: 'error', problems: [/five.*kind/, /six.*upstream/] })
    t.equal(await statusOf('three'), 200, 'the old one still serves')
    const check = await gateway.cli('config', 'check')
    t.equal(check.code, 2)
    t.match(check.stdout + check.stderr, /five.*\n.*six/, 'and the command says the same')
  })

  await t.test('a file that is no YAML changes nothing', async (t) => {
    const from = gateway.log.length
    await writeFile(gateway.configFile, 'routes: [\n')
    gateway.child.kill('SIGHUP')
    await refusal(from, /yaml|line 2/i)
    t.equal(await statusOf('three'), 200)
  })

  await t.test('a request in flight over a reload is answered by its route', async (t) => {
    await reload({ routes: [route('slow')] }, 1, true)
    const answer = request(`${gateway.proxyUrl}/slow/slow?ms=1500`, { key })
    await reload({ routes: [route('one'), route('two')] }, 2, true)
    t.equal((await answer).status, 200)
    t.equal(await statusOf('slow'), 404)
  })

  await t.test('what needs a restart is named', async (t) => {
    const from = gateway.log.length
    await reload({ routes: [route('one')], accessLog: { flushEntries: 64 } }, 1, true)
    const isIt = ({ msg }: LogLine): boolean => /need a restart/.test(String(msg))
    const line = await gateway.waitForLog('what needs a restart', isIt, { from })
    t.match(line, { options: ['accessLog.flushEntries'] })
  })
  t.equal(await gateway.stop(), 0)
})
