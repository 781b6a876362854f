import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { git, startGitServer, tryGit } from './harness/git-server.ts'
import { startGateway } from './harness/gateway.ts'
import { testFolder } from './harness/product.ts'

t.test('git clones and pushes over smart HTTP with a key', async (t) => {
  const db = await testDatabase(t)
  const server = await startGitServer(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'git', kind: 'git', path: '/git/', upstream: server.url }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  const writeKey = await gateway.mint({ tenant: 'acme', scopes: ['git:*'] })
  const readKey = await gateway.mint({ tenant: 'acme', scopes: ['git:read'] })
  const home = await testFolder(t)
  const remote = (credentials: string): string =>
    `${gateway.proxyUrl.replace('//', `//${credentials}@`)}/git/repo.git`

  await t.test('push with a key that may write', async () => {
    const folder = join(home, 'origin')
    await git(home, 'init', '--initial-branch=main', folder)
    // Larger than git's 1 MiB post buffer, so that it is sent chunked; random, so that it does not compress.
    await writeFile(join(folder, 'large.bin'), randomBytes(3 * 1024 * 1024))
    await writeFile(join(folder, 'readme.txt'), 'hello\n')
    await git(folder, 'add', '.')
    await git(folder, 'commit', '-m', 'first')
    await git(folder, 'push', remote(`ci:${writeKey}`), 'main')
  })

  await t.test('clone with the key as the password in the URL', async (t) => {
    await git(home, 'clone', remote(`anyone:${readKey}`), 'password')
    const head = await git(join(home, 'password'), 'rev-parse', 'HEAD')
    t.equal(head, await git(server.repository, 'rev-parse', 'main'), 'the commit of the server arrived')
    await git(join(home, 'password'), 'fsck', '--strict')
  })

  await t.test('clone with the key as the user name and an empty password', async (t) => {
    await git(home, 'clone', remote(`${readKey}:`), 'user-name')
    t.equal(
      await git(join(home, 'user-name'), 'rev-parse', 'HEAD'),
      await git(server.repository, 'rev-parse', 'main'),
    )
  })

  await t.test('clone with an extra header, which is sent without a challenge', async (t) => {
    const url = `${gateway.proxyUrl}/git/repo.git`
    const challenged = async (): Promise<number> =>
      (await gateway.overview()).requests.byOutcome['unauthenticated'] ?? 0
    const before = await challenged()
    await git(home, '-c', `http.extraHeader=Authorization: Bearer ${readKey}`, 'clone', url, 'header')
    t.equal(await challenged(), before)
  })

  await t.test('push with a key that may only read is refused', async (t) => {
    const folder = join(home, 'password')
    const before = await git(server.repository, 'rev-parse', 'main')
    await git(folder, 'commit', '--allow-empty', '-m', 'second')
    const { code, stderr } = await tryGit(folder, 'push', 'origin', 'main')
    t.not(code, 0)
    t.match(stderr, /403/)
    t.notMatch(stderr, readKey.slice(16))
    t.equal(await git(server.repository, 'rev-parse', 'main'), before, 'the server has nothing new')
    await git(folder, 'push', remote(`ci:${writeKey}`), 'main')
    t.equal(
      await git(server.repository, 'rev-parse', 'main'),
      await git(folder, 'rev-parse', 'HEAD'),
      'a key that may write pushes the same',
    )
  })

  await t.test('clone with a wrong key is refused', async (t) => {
    const { code, stderr } = await tryGit(home, 'clone', remote('anyone:wrong'), 'refused')
    t.not(code, 0)
    t.match(stderr, /Authentication failed/)
  })

  const refused = `status = 403 AND path LIKE '/git/repo.git/%git-receive-pack'`
  t.equal(await waitForEntries(db, 1, { where: refused }), 1, 'the refused push is one entry')
  const rows = await db.query(
    `SELECT DISTINCT method, path FROM access_log WHERE tenant = 'acme' AND status = 200 ORDER BY 1, 2`,
  )
  t.strictSame(rows, [
    { method: 'GET', path: '/git/repo.git/info/refs?service=git-receive-pack' },
    { method: 'GET', path: '/git/repo.git/info/refs?service=git-upload-pack' },
    { method: 'POST', path: '/git/repo.git/git-receive-pack' },
    { method: 'POST', path: '/git/repo.git/git-upload-pack' },
  ])
})
