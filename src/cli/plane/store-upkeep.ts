import { asideLines } from '../../model/audit/set-aside.ts'
import { nameOfThisUser } from '../../serve/control-plane/retention-upkeep.ts'
import { endSession, listSessions, type AdminSession } from '../../store/access/sessions.ts'
import { listSetAside } from '../../store/audit/set-aside.ts'
import { listSigningKeys, rotateSigningKeys } from '../../store/directory/signing-keys.ts'
import {
  dropQuarantined,
  getQuarantined,
  listQuarantine,
  quarantinedEntry,
  retryQuarantined,
} from '../../store/entries/quarantine.ts'
import { readRetention, setRetention } from '../../store/entries/retention.ts'
import type { Sql } from '../../store/sql.ts'
import type { UpkeepPort } from './plane.ts'

const PAGE = 500

/** What an operator looks after, on a database that is open. */
export function storeUpkeep(sql: Sql): UpkeepPort {
  return {
    listQuarantine: (filter) => listQuarantine(sql, filter),
    getQuarantined: async (id) => {
      const found = await getQuarantined(sql, id)
      return found === null ? null : { row: found.row, entry: quarantinedEntry(found) }
    },
    retryQuarantined: (id) => retryQuarantined(sql, id),
    dropQuarantined: (id) => dropQuarantined(sql, id),
    listSetAside: async () => {
      const found = await listSetAside(sql)
      return found.map(({ host, instance, aside }) => ({ host, instance, lines: asideLines(aside) }))
    },
    readRetention: () => readRetention(sql),
    setRetention: (days) => setRetention(sql, days, nameOfThisUser('waybill retention set')),
    listSigningKeys: () => listSigningKeys(sql),
    rotateSigningKeys: (isAtOnce) => rotateSigningKeys(sql, isAtOnce),
    listSessions: (subject) => sessions(sql, subject),
    endSession: (id) => endSession(sql, id),
  }
}

async function sessions(sql: Sql, subject: string | undefined): Promise<readonly AdminSession[]> {
  const all: AdminSession[] = []
  for (let after: string | undefined; ;) {
    const page = await listSessions(sql, {
      limit: PAGE,
      ...(subject === undefined ? {} : { subject }),
      ...(after === undefined ? {} : { after }),
    })
    all.push(...page)
    after = page.at(-1)?.id
    if (page.length < PAGE) return all
  }
}
