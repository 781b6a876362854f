import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig, type Config } from '../config/config.ts'
import { SecretFiles } from '../config/secret-files.ts'
import type { Logger } from '../logger/logger.ts'
import { B_EXAMPLE, LOCALHOST } from '../test/certificates.ts'
import { until } from '../test/wire.ts'
import { ConfigReloader } from './reload.ts'

t.test(
  'a secret that changes in its file is applied; one that vanishes is told of once, and stays',
  async (t) => {
    const folder = t.testdir({ token: 'first-secret' })
    const path = join(folder, 'token')
    const file = join(folder, 'waybill.yaml')
    writeFileSync(
      file,
      `routes:\n  - { name: r, kind: npm, path: /r/, upstream: "https://u.example/", upstreamAuth: { bearer: "\${file:${path}}" } }\n`,
    )
    const secrets = new SecretFiles()
    const load = (): Config => loadConfig({ file, env: {}, flags: {}, secrets })
    const lines: string[] = []
    const note = (fields: object, message: string): void =>
      void lines.push(`${message} ${JSON.stringify(fields)}`)
    const logger = { info: note, warn: note, error: note } as unknown as Logger
    const applied: (string | null | undefined)[] = []
    const reloader = new ConfigReloader({
      current: load(),
      load,
      apply: ({ routes }) => void applied.push(routes[0]?.upstream.authorization),
      logger,
    })
    reloader.start()
    t.teardown(() => reloader.stop())
    writeFileSync(path, 'second-secret\n')
    await until(() => applied.length === 1, 'the new secret')
    t.same(applied, ['Bearer second-secret'])
    rmSync(path)
    await until(() => lines.some((line) => line.includes('what it held stays')), 'the warning')
    reloader.reload('secret')
    t.equal(applied.length, 1, 'nothing has changed, so that nothing is applied')
    reloader.reload('signal')
    t.same(applied, ['Bearer second-secret', 'Bearer second-secret'])
    t.equal(lines.filter((line) => line.includes('what it held stays')).length, 1)
    writeFileSync(path, 'third-secret')
    await until(() => applied.length === 3, 'the third secret')
    t.equal(applied[2], 'Bearer third-secret')
    t.equal(lines.filter((line) => line.includes('is read again')).length, 1)
    t.notMatch(lines.join('\n'), /(?:first|second|third)-secret/)
  },
)

t.test(
  'a certificate that is replaced between its reading and the beginning of its watch is applied',
  async (t) => {
    const folder = t.testdir({ cert: LOCALHOST.cert, key: LOCALHOST.key })
    const [cert, key, file] = ['cert', 'key', 'waybill.yaml'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(file, `listen: { tls: { cert: "${cert}", key: "${key}" } }\n`)
    const load = (): Config => loadConfig({ file, env: {}, flags: {} })
    const causes: unknown[] = []
    const note = (fields: { cause?: string }): void => void causes.push(fields.cause)
    const logger = { info: note, warn: note, error: note } as unknown as Logger
    const applied: string[] = []
    const reloader = new ConfigReloader({
      current: load(),
      load,
      apply: ({ tlsDigest }) => void applied.push(tlsDigest),
      logger,
    })
    writeFileSync(cert, B_EXAMPLE.cert)
    writeFileSync(key, B_EXAMPLE.key)
    const { tlsDigest } = load()
    reloader.start()
    t.teardown(() => reloader.stop())
    await until(() => applied.length > 0, 'the new certificate')
    t.same(applied, [tlsDigest])
    t.same(causes, ['check'])
    reloader.reload('certificate')
    t.equal(applied.length, 1, 'nothing has changed, so that nothing is applied')
  },
)
