import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, loadConfig } from './config.ts'
import { SecretFiles } from './secret-files.ts'

/** Loads a configuration with a route whose upstream is logged in at with `auth`. */
function load(t: Test, auth: string, secrets = new SecretFiles()) {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'waybill.yaml')
  writeFileSync(
    file,
    `routes:\n  - { name: r, kind: npm, path: /r/, upstream: "https://u.example/", upstreamAuth: ${auth} }\n`,
  )
  return loadConfig({ file, env: { USER: 'me' }, flags: {}, secrets })
}

function problemsOf(t: Test, auth: string): readonly string[] {
  try {
    load(t, auth)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

t.test('a file stands for a text, whole or in part, without its last line end', async (t) => {
  const folder = t.testdir({ token: 'abc\n', crlf: 'abc\r\n', password: ' p:w ' })
  for (const [auth, authorization] of [
    [`{ bearer: "\${file:${folder}/token}" }`, 'Bearer abc'],
    [`{ bearer: "\${file:${folder}/crlf}" }`, 'Bearer abc'],
    [
      `{ basic: { user: "\${env:USER}", password: "\${file:${folder}/password}" } }`,
      `Basic ${Buffer.from('me: p:w ').toString('base64')}`,
    ],
    [`{ authorization: "Token \${file:${folder}/token}" }`, 'Token abc'],
  ] as const) {
    const config = load(t, auth)
    t.equal(config.routes[0]?.upstream.authorization, authorization, auth)
    t.equal(config.routes[0]?.upstream.hasLogin, true)
    t.equal(config.secretFiles.length, 1)
  }
  const byField = load(t, `{ header: { name: X-Api, value: "\${file:${folder}/token}" } }`)
  t.match(byField.routes[0], {
    upstream: { authorization: null, hasLogin: true },
    rules: { headers: { set: ['X-Api', 'abc'], removed: ['x-api'] } },
  })
})

t.test(
  'a file that cannot stand for a text is named with what is wrong, and not what is in it',
  async (t) => {
    const folder = t.testdir({ empty: '\n', long: 'secret'.repeat(20_000), two: 'secret\nlines' })
    writeFileSync(join(folder, 'binary'), Buffer.from([0xff, 0xfe, 0x73]))
    mkdirSync(join(folder, 'folder'))
    for (const [path, problem] of [
      [`${folder}/none`, 'cannot be read (ENOENT)'],
      [`${folder}/empty`, 'is empty'],
      [`${folder}/long`, 'is longer than 65536 bytes'],
      [`${folder}/binary`, 'is not text in UTF-8'],
      [`${folder}/folder`, 'is no file'],
      ['token', 'needs an absolute path'],
    ] as const) {
      const [first = ''] = problemsOf(t, `{ bearer: "\${file:${path}}" }`)
      t.equal(first, `routes[0].upstreamAuth.bearer: the file ${path} ${problem}`)
    }
    const problems = problemsOf(t, `{ bearer: "\${file:${folder}/two}" }`)
    t.equal(problems.length, 1)
    t.notMatch(problems.join(), 'secret')
    const twice = `{ header: { name: authorization, value: x } }`
    t.match(problemsOf(t, twice)[0], /^routes\[0\] \(r\)\.upstreamAuth: /)
  },
)

t.test('a file that has vanished or is empty is read as before, and told of', async (t) => {
  const folder = t.testdir({ token: 'first' })
  const path = join(folder, 'token')
  const secrets = new SecretFiles()
  const read = () => {
    const config = load(t, `{ bearer: "\${file:${path}}" }`, secrets)
    return [config.routes[0]?.upstream.authorization, config.secretFiles[0]?.problem]
  }
  t.same(read(), ['Bearer first', null])
  rmSync(path)
  t.same(read(), ['Bearer first', 'cannot be read (ENOENT)'])
  writeFileSync(path, '')
  t.same(read(), ['Bearer first', 'is empty'])
  writeFileSync(join(folder, 'next'), 'second')
  renameSync(join(folder, 'next'), path)
  t.same(read(), ['Bearer second', null])
})
