import { bodyKeys } from '../../../model/delivery/body-key.ts'
import { readContent } from '../../../store/deliveries/delivery-content.ts'
import { REPEATABLE_STATES, type RepeatableState } from '../../../store/deliveries/delivery-decisions.ts'
import { listDeliveries } from '../../../store/deliveries/deliveries.ts'
import { readByDatabase, withDatabase } from '../../context.ts'
import { UsageError } from '../../errors.ts'
import { requireTenant } from '../../known-names.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { writeOut } from '../../output/output.ts'
import { escapeUnsafe } from '../../output/text.ts'
import { storeNames } from '../../plane/store-plane.ts'
import { Problems } from '../../problems.ts'
import { beforeNow, redeliverAll } from './decide.ts'
import { readFilter, withFiltered, type DeliveryFlags } from './delivery-flags.ts'
import { routeSecrets, unknownRoute } from './route-secrets.ts'
import { sendCopy } from './send-copy.ts'

/** Copies that one command sends at most: they go one after the other. */
export const MAX_COPIES = 10_000

export interface ReplayFlags extends DeliveryFlags {
  readonly to?: string
}

/** Sends what is over once more: through the queue, in the books; or copies to another address, outside of them. */
export async function replay(io: Io, flags: ReplayFlags): Promise<ExitCode> {
  const problems = new Problems()
  if (flags.since === undefined) problems.add('--since is required')
  if (flags.route === undefined) problems.add('--route is required')
  if (flags.to !== undefined) return await sendCopies(io, flags, { to: flags.to, problems })
  if (flags.limit !== undefined) problems.add('--limit needs --to')
  const states = REPEATABLE_STATES
  return await withFiltered(
    io,
    flags,
    { handle: 'control', problems, states },
    async (plane, filter, nowMs) => {
      const { state, ...search } = filter
      const wanted = state === undefined ? REPEATABLE_STATES : [state as RepeatableState]
      const until = beforeNow(filter.until, nowMs)
      await writeOut(
        io.stdout,
        `${await redeliverAll(plane, { ...search, until }, wanted)} to be delivered again\n`,
      )
      return 0
    },
  )
}

async function sendCopies(
  io: Io,
  flags: ReplayFlags,
  { to, problems }: { readonly to: string; readonly problems: Problems },
): Promise<ExitCode> {
  const url = addressOf(to, problems)
  const limit = flags.limit === undefined ? 100 : problems.integer('--limit', flags.limit, 1, MAX_COPIES)
  problems.readAtAnyTime((nowMs, found) => readFilter(flags, REPEATABLE_STATES, nowMs, found))
  problems.throwIfAny()
  const secrets = routeSecrets(io, flags)(flags.route ?? '')
  if (secrets === null) throw new UsageError([unknownRoute(flags.route ?? '')])
  const { ownFields } = secrets
  return await withDatabase(io, flags, 'reader', async ({ sql, config }) => {
    const filter = await readByDatabase(io, sql, (now, found) =>
      readFilter(flags, REPEATABLE_STATES, now, found),
    )
    await requireTenant(storeNames(sql), filter.tenant)
    const keys = bodyKeys(config.options['deliveries.encryptionKeys']) ?? []
    const rows = await listDeliveries(sql, filter, { limit, isOldestFirst: true })
    let failed = 0
    for (const { id, receivedAt } of rows) {
      const content = await readContent(sql, id, keys)
      // Of a duplicate nothing is kept.
      if (content === null) continue
      const end = await sendCopy(url, { id, receivedAt, ownFields, ...content })
      if (!end.isTaken) failed++
      await writeOut(io.stdout, `${id} ${escapeUnsafe(end.words)}\n`)
    }
    if (rows.length === limit) io.stderr.write(`note: as many as --limit permits; there may be others\n`)
    return failed === 0 ? 0 : 1
  })
}

function addressOf(text: string, problems: Problems): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url
  problems.add('--to: must be an address without credentials, such as http://127.0.0.1:9000/hook')
  return new URL('http://127.0.0.1')
}
