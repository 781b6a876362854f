import { randomUUID } from 'node:crypto'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readAudit } from '../harness/audit.ts'
import { assertExact, assertServed } from '../harness/chaos.ts'
import { request } from '../harness/client.ts'
import { readAccounts } from '../harness/failure-accounts.ts'
import { startGateway } from '../harness/gateway.ts'
import { testFolder } from '../harness/product.ts'
import { FAST, forwardedScene, loadOf } from '../harness/scene.ts'
import { untilTrue } from '../harness/wait.ts'

/** What somebody has put among the segments of a dead process, none of which can be taken over or read. */
async function obstacles(spill: string): Promise<readonly string[]> {
  const folder = join(spill, randomUUID())
  const [seg, other] = [join(folder, '97.seg'), join(folder, '98.seg')]
  await mkdir(seg, { recursive: true })
  if (process.geteuid?.() === 0) {
    // Root may read everything: here the system refuses in another way.
    await symlink('98.seg', other)
  } else {
    await writeFile(other, 'of another user')
    await chmod(other, 0)
  }
  return [seg, other]
}

t.test(
  'D10: a folder 97.seg and a segment that cannot be read hold up nothing, and are told of',
  async (t) => {
    const cwd = await testFolder(t)
    const spill = join(cwd, '.waybill', 'spill')
    const paths = await obstacles(spill)
    const scene = await forwardedScene(t, { cwd, config: { accessLog: FAST } })
    const { gateway, forwarder, key } = scene
    const load = loadOf(t, gateway, key, 100)
    await untilTrue('the load runs', () => load.answered > 100, { timeoutMs: 30_000 })
    forwarder.mode = 'swallow'
    await untilTrue('entries are on disk', async () => (await gateway.overview()).accessLog.spilled > 100, {
      timeoutMs: 60_000,
    })
    forwarder.mode = 'forward'
    await untilTrue('all of them are stored', async () => {
      const { accepted, stored } = (await gateway.overview()).accessLog
      return stored > 0 && accepted - stored < 50
    })
    load.stop()
    const result = await load.done
    assertServed(t, result)
    const told = async (): Promise<readonly string[]> =>
      (await readAudit(gateway)).gaps.filter(({ kind }) => kind === 'set_aside').map(({ line }) => line)
    await untilTrue('its sign of life tells of both', async () => (await told()).length === paths.length)
    const lines = await told()
    for (const path of paths)
      t.ok(
        lines.some((line) => line.includes(path)),
        path,
        { lines },
      )
    const list = await gateway.cli('quarantine', 'list')
    for (const path of paths) t.match(list.stdout, `${path} is set aside since `)
    const json = await gateway.cli('quarantine', 'list', '--json')
    t.same(JSON.parse(json.stdout), [], 'a program reads rows only')
    t.match(json.stderr, `${paths[0]} is set aside`)

    t.equal(await gateway.stop(), 0)
    for (const path of paths) await rm(path, { recursive: true, force: true })
    const next = await scene.next()
    await assertExact(t, { ...scene, gateway: next }, { forwarded: result.answered })
  },
)

t.test(
  'D3: rows of one tenant that make a trigger raise AC001 go to quarantine, all others flow',
  async (t) => {
    const scene = await forwardedScene(t, { config: { accessLog: FAST } })
    const { db, gateway, forwarder, key } = scene
    const other = await gateway.mint({ tenant: 'globex', scopes: ['files:read'] })
    await db.query(`CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.tenant = 'globex' AND NEW.path = '/files/odd' THEN
        RAISE EXCEPTION 'no' USING ERRCODE = 'AC001';
      END IF;
      RETURN NEW;
    END $$`)
    await db.query('CREATE TRIGGER odd BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION odd()')
    const load = loadOf(t, gateway, key, 100)
    let odd = 0
    const poison = async (): Promise<void> => {
      // The scripted upstream knows no such file.
      t.equal((await request(`${gateway.proxyUrl}/files/odd`, { key: other })).status, 404)
      t.equal(
        (await request(`${gateway.proxyUrl}/files/odd`, { key })).status,
        404,
        'of another it is no poison',
      )
      odd++
    }
    await untilTrue('the load runs', () => load.answered > 50, { timeoutMs: 30_000 })
    await poison()
    await untilTrue('the row is in quarantine', async () => {
      return (await gateway.overview()).accessLog.quarantined === 1
    })
    // The same from the disk.
    forwarder.mode = 'swallow'
    await poison()
    await untilTrue('entries are on disk', async () => (await gateway.overview()).accessLog.spilled > 20, {
      timeoutMs: 60_000,
    })
    forwarder.mode = 'forward'
    const before = load.answered
    await untilTrue('the load goes on', () => load.answered > before + 100, { timeoutMs: 30_000 })
    load.stop()
    const result = await load.done
    await assertExact(t, scene, { forwarded: result.answered + 2 * odd }, { quarantined: odd })
    const accounts = Object.fromEntries(await readAccounts(db))
    t.match(accounts, {
      acme: { stored: result.answered + odd, quarantined: 0, dropped: {} },
      globex: { stored: 0, quarantined: odd, dropped: {} },
    })
    t.same(
      (await db.query<{ code: string }>('SELECT DISTINCT code FROM quarantine')).map(({ code }) => code),
      ['AC001'],
    )
  },
)

t.test('D9: what the server may lose in a crash is said: in the log, by /readyz, by the audit', async (t) => {
  // The server of the tests does without: fsync and full_page_writes are off.
  const { db, gateway, key } = await forwardedScene(t, { config: { accessLog: FAST } })
  const [row] = await db.query<{ fsync: string }>(`SELECT current_setting('fsync') AS fsync`)
  if (row?.fsync !== 'off') return
  t.equal((await request(`${gateway.proxyUrl}/files/ok`, { key })).status, 200)
  const line = await gateway.waitForLog('the database may lose', ({ msg }) =>
    String(msg).startsWith('the database may lose entries'),
  )
  const settings = ['fsync = off', 'full_page_writes = off']
  t.same(line['settings'], settings)
  const ready = (await (await fetch(`${gateway.adminUrl}/readyz`)).json()) as { warnings: unknown[] }
  t.match(ready, { warnings: [{ code: 'database_not_durable', detail: /fsync = off/ }] })
  await untilTrue('its sign of life tells of it', async () => {
    return (await db.query('SELECT FROM instances WHERE weaknesses IS NOT NULL')).length === 1
  })
  const { stdout } = await gateway.cli('audit')
  t.match(stdout, /^complete .*a crash of the database may have taken, or take, what is stored: fsync = off/m)
  // A database's own default does not reach the writer's session.
  await db.query(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`,
  )
  const second = await startGateway(t, { databaseUrl: db.url, config: { routes: [route] } })
  t.equal((await request(`${second.proxyUrl}/files/ok`)).status, 401)
  const other = await second.waitForLog('the database may lose', ({ msg }) =>
    String(msg).startsWith('the database may lose entries'),
  )
  t.same(other['settings'], settings)
})

const route = { name: 'files', kind: 'generic', path: '/files/', upstream: 'http://127.0.0.1:9/' }
