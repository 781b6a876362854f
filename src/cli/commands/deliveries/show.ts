import { bodyKeys, type BodyKey } from '../../../model/delivery/body-key.ts'
import { maskBody, maskFields } from '../../../model/delivery/mask-content.ts'
import { readContent } from '../../../store/deliveries/delivery-content.ts'
import type { Sql } from '../../../store/sql.ts'
import { withDatabase } from '../../context.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { writeOut } from '../../output/output.ts'
import { escapeUnsafe, safeJson } from '../../output/text.ts'
import type { FoundDelivery } from '../../plane/delivery-port.ts'
import { withPlane } from '../../plane/open-plane.ts'
import { storePlane } from '../../plane/store-plane.ts'
import { Problems } from '../../problems.ts'
import { checkId } from './delivery-flags.ts'
import { routeSecrets, unknownRoute } from './route-secrets.ts'

/** The flags of `waybill deliveries show`. */
export interface ShowFlags {
  readonly body?: boolean
  readonly json?: boolean
}

/** What was sent, as it may be shown. */
interface ShownContent {
  readonly method: string
  readonly path: string
  /** Name and value. */
  readonly fields: readonly (readonly [string, string])[]
  /** Its text; null where it has none, or is not shown. */
  readonly body: string | null
  /** Of a body that is no text. */
  readonly bodyBase64: string | null
  /** Why the body is not shown; null where it is. */
  readonly bodyHidden: string | null
}

/** Shows one delivery. What was sent is read from the database, since a mask is of the routes of the configuration here. */
export async function show(io: Io, id: string, flags: ShowFlags): Promise<ExitCode> {
  const problems = new Problems()
  checkId(id, problems)
  problems.throwIfAny()
  const isJson = flags.json === true
  if (flags.body !== true)
    return await withPlane(io, flags, 'reader', async (plane) =>
      printFound(io, id, { found: await plane.getDelivery(id), content: null, isJson }),
    )
  return await withDatabase(io, flags, 'reader', async (database) => {
    const { sql, config } = database
    const found = await storePlane(io, database).getDelivery(id)
    const keys = bodyKeys(config.options['deliveries.encryptionKeys']) ?? []
    const content =
      found === null ? null : await shownContent(sql, found, { keys, secrets: routeSecrets(io, flags) })
    return await printFound(io, id, { found, content, isJson })
  })
}

async function shownContent(
  sql: Sql,
  { row }: FoundDelivery,
  { keys, secrets }: { readonly keys: readonly BodyKey[]; readonly secrets: ReturnType<typeof routeSecrets> },
): Promise<ShownContent | null> {
  const content = await readContent(sql, row.id, keys)
  if (content === null) return null
  const { head, body } = content
  const masks = secrets(row.route)?.masks ?? null
  const shown =
    masks === null ? ({ kind: 'hidden', why: unknownRoute(row.route) } as const) : maskBody(body, masks)
  return {
    method: head.method,
    path: head.shown,
    fields: masks === null ? [] : maskFields(head.fields, masks),
    body: shown.kind === 'text' ? shown.text : null,
    bodyBase64: shown.kind === 'bytes' ? shown.bytes.toString('base64') : null,
    bodyHidden: shown.kind === 'hidden' ? shown.why : null,
  }
}

async function printFound(
  io: Io,
  id: string,
  {
    found,
    content,
    isJson,
  }: {
    readonly found: FoundDelivery | null
    readonly content: ShownContent | null
    readonly isJson: boolean
  },
): Promise<ExitCode> {
  if (found === null) {
    io.stderr.write(`error: there is no delivery ${id}\n`)
    return 1
  }
  const { row, entries } = found
  if (isJson)
    await writeOut(
      io.stdout,
      `${safeJson({ ...row, entries, ...(content === null ? {} : { content }) }, 2)}\n`,
    )
  else await writeOut(io.stdout, `${factLines(row)}${attemptLines(found)}${contentText(content)}`)
  return 0
}

function factLines(values: object): string {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => {
      const text = value instanceof Date ? value.toISOString() : String(value)
      return `${name}: ${escapeUnsafe(text)}\n`
    })
    .join('')
}

/** The oldest first, as it went. */
function attemptLines({ entries }: FoundDelivery): string {
  return entries
    .toReversed()
    .map(({ started_at: at, outcome, status, reason, duration_us: us }) => {
      const why = reason === null ? '' : ` ${escapeUnsafe(reason)}`
      return `attempt: ${at.toISOString()} ${escapeUnsafe(outcome)} ${status}${why} ${(us / 1000).toFixed(1)} ms\n`
    })
    .join('')
}

function contentText(content: ShownContent | null): string {
  if (content === null) return ''
  const { method, path, fields, body, bodyBase64, bodyHidden } = content
  const head = [`${method} ${path}`, ...fields.map(([name, value]) => `${name}: ${value}`)]
  const shown =
    bodyHidden === null
      ? (body ?? `${Buffer.byteLength(bodyBase64 ?? '', 'base64')} bytes that are no text: --json has them`)
      : `the body is not shown: ${bodyHidden}`
  return `\n${head.map((line) => `${escapeUnsafe(line)}\n`).join('')}\n${shown.split('\n').map(escapeUnsafe).join('\n')}\n`
}
