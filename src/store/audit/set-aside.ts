import type { AsideReport } from '../../model/audit/set-aside.ts'
import type { Sql } from '../sql.ts'

/** What a live gateway has told of its spill folder. */
export interface InstanceAside {
  readonly instance: string
  readonly host: string
  readonly seenAt: Date
  readonly aside: AsideReport
}

/** What stands aside in the spill folders of gateways, as each of them that lives has told last. */
export async function listSetAside(sql: Sql): Promise<InstanceAside[]> {
  return await sql<InstanceAside[]>`
    SELECT id AS instance, host, last_seen_at AS "seenAt", aside FROM instances
    WHERE aside IS NOT NULL AND ended_at IS NULL AND died_at IS NULL
      AND last_seen_at > clock_timestamp() - interval '1 minute'
    ORDER BY host, id`
}
