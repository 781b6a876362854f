import { storableText } from '../../writer/batch/encode.ts'
import type { AsideStats } from '../../spool/set-aside.ts'
import type { AsideReport } from '../../model/audit/set-aside.ts'

/** What is set aside, as it is told to the database; null for nothing. */
export function asideReportOf({ named, ...counts }: AsideStats): AsideReport | null {
  if (named.length === 0) return null
  const notes = named.map(({ sinceMs, ...item }) => {
    return { ...item, name: storableText(item.name), since: new Date(sinceMs).toISOString() }
  })
  return { ...counts, named: notes }
}
