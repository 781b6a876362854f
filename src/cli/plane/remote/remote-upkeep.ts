import type { AdminSession } from '../../../store/access/sessions.ts'
import type { SigningKeyInfo } from '../../../store/directory/signing-keys.ts'
import type { QuarantinedRow, RetryResult } from '../../../store/entries/quarantine.ts'
import type { UpkeepPort } from '../plane.ts'
import type { ApiClient } from './api-client.ts'
import { withTimes } from './remote-directory.ts'

const rowOf = (row: object): QuarantinedRow => withTimes<QuarantinedRow>(row, ['quarantinedAt', 'resolvedAt'])
const signingKeyOf = (row: object): SigningKeyInfo =>
  withTimes<SigningKeyInfo>(row, ['createdAt', 'activeFrom', 'retiresAt'])
const sessionOf = (row: object): AdminSession => withTimes<AdminSession>(row, ['createdAt', 'expiresAt'])

type Entry = Record<string, string | null> | string

/** What an operator looks after, over HTTP. */
export function remoteUpkeep(api: ApiClient): UpkeepPort {
  return {
    listQuarantine: async function* ({ tenant, isResolvedIncluded }) {
      const query = { tenant, resolved: String(isResolvedIncluded === true) }
      for await (const page of api.pages<object>('/quarantine', query)) yield page.map(rowOf)
    },
    getQuarantined: async (id) => {
      const found = await api.find<{ entry: Entry }>(`/quarantine/${id}`)
      if (found === null) return null
      const { entry, ...row } = found
      return { row: rowOf(row), entry }
    },
    retryQuarantined: (id) => api.ask<RetryResult>('POST', `/quarantine/${id}/retry`),
    dropQuarantined: async (id) =>
      (await api.ask<{ state: string }>('DELETE', `/quarantine/${id}`)).state === 'dropped',
    listSetAside: async () =>
      (
        await api.ask<{ items: { host: string; instance: string; lines: string[] }[] }>(
          'GET',
          '/quarantine/set-aside',
        )
      ).items,
    readRetention: async () => {
      const { days, isExplicit } = await api.ask<{ days: number | null; isExplicit: boolean }>(
        'GET',
        '/retention',
      )
      return days === null ? null : { days, isExplicit }
    },
    setRetention: async (days) => void (await api.ask('PUT', '/retention', { body: { days } })),
    listSigningKeys: async () =>
      (await api.ask<{ items: object[] }>('GET', '/signing-keys')).items.map(signingKeyOf),
    rotateSigningKeys: async (isAtOnce) => {
      const body = { now: isAtOnce }
      const { items } = await api.ask<{ items: object[] }>('POST', '/signing-keys/rotate', { body })
      return items.map(signingKeyOf)
    },
    listSessions: async (subject) => {
      const all: AdminSession[] = []
      for await (const page of api.pages<object>('/sessions', { subject })) all.push(...page.map(sessionOf))
      return all
    },
    endSession: async (id) =>
      sessionOf(await api.ask<object>('DELETE', `/sessions/${encodeURIComponent(id)}`)),
  }
}
