import type { Test } from 'tap'
import { buildApi } from '../../admin/api/app.ts'
import { documentOf } from '../../admin/api/document.ts'
import { apiListener } from '../../admin/api/app.ts'
import type { ApiSources } from '../../admin/api/sources.ts'
import { queriesOf } from '../../admin/queries.ts'
import { createLogger } from '../../logger/logger.ts'
import { mintAdminToken } from '../../model/admin/admin-token.ts'
import type { AdminRole } from '../../model/admin/principal.ts'
import { insertAdminToken } from '../../store/access/admin-tokens.ts'
import { closeSql, openReader } from '../../store/sql.ts'
import { startAdmin, type AskOptions, type Reply } from '../admin.ts'
import type { TestDatabase } from '../database.ts'
import { checkAgainst } from './openapi.ts'

/** For tests: the API on a database, behind a real listener. */
export interface TestApi {
  readonly document: ReturnType<typeof documentOf>
  /**
   * Asks an operation; the answer is held to the document: its status is one of the operation's, its body of that form. `json` is
   * sent as the body.
   */
  ask(method: string, path: string, options?: ApiAsk): Promise<Reply>
  /** Where it listens, for requests that `ask` cannot make. */
  readonly port: number
  close(): Promise<void>
  /** Stores a token. */
  mint(role: AdminRole, tenant?: string): Promise<{ readonly id: string; readonly text: string }>
  /** Stores a token and returns its text. */
  tokenFor(role: AdminRole, tenant?: string): Promise<string>
}

export interface ApiAsk extends AskOptions {
  readonly token?: string
  readonly json?: unknown
}

/** The configured token of a test's API. */
export const CONFIGURED_TOKEN = 'the-token-of-the-configuration'

/** For tests: starts it. */
export async function testApi(
  t: Test,
  { sql, target }: TestDatabase,
  changes: Partial<ApiSources> = {},
): Promise<TestApi> {
  const reader = openReader(target, { statementTimeoutMs: 5000 })
  t.teardown(() => closeSql(reader, 1000))
  const sources: ApiSources = {
    control: sql,
    reader,
    served: {
      queries: queriesOf(reader),
      overview: () => Promise.reject(new Error('no gateway')),
      readiness: () => ({ ready: true, reasons: [] }),
    },
    receivers: () => [],
    configuration: () => ({ options: [], routes: [] }),
    queryTimeoutMs: 5000,
    token: CONFIGURED_TOKEN,
    oidc: () => null,
    host: '127.0.0.1',
    version: '1.2.3',
    logger: createLogger({ level: 'silent', destination: { write: () => {} } }),
    ...changes,
  }
  const { ask, port, listener } = await startAdmin(t, {
    token: sources.token,
    loadApi: () => Promise.resolve(apiListener(sources)),
  })
  const document = documentOf(buildApi(sources), '1.2.3')
  const mint = async (role: AdminRole, tenant?: string) => {
    const { id, text, digest } = mintAdminToken()
    const owner = { name: `a ${role}`, role, tenant: tenant ?? null, expiresAt: null }
    await insertAdminToken(sql, { id, digest, ...owner })
    return { id, text }
  }
  return {
    document,
    port,
    close: () => listener.close(),
    mint,
    async ask(method, path, { token, json, headers = {}, ...options } = {}) {
      const reply = await ask(`/api/v1${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(json === undefined ? {} : { body: Buffer.from(JSON.stringify(json)) }),
        ...options,
      })
      checkAgainst(t, document, { method, path, reply })
      return reply
    },
    tokenFor: async (role, tenant) => (await mint(role, tenant)).text,
  }
}
