import { isBefore } from '../../model/rules/rule-book.ts'
import type { RuleAction, RuleRecord, RuleState } from '../../model/rules/rule.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, type Sql, type TransactionSql } from '../sql.ts'

/** Most rules that are not removed: 100,000 of them take a gateway some 60 MB. */
export const MAX_RULES = 250_000
/** Most rules whose name is a pattern: each request for a package of their type is compared with all of those. */
export const MAX_PATTERNS = 1000
/** Most rules that are found by one name: each request for it is compared with all of those, and each rule that is loaded joins their list. */
export const MAX_OF_NAME = 1000
/** In the transaction that adds a rule, so that of two that contradict each other the second is refused. */
const ADDING = 9_299_461

/** A rule as the control plane shows it. */
export interface Rule extends Omit<RuleRecord, 'expiresAtMs' | 'lookUp'> {
  readonly expiresAt: Date | null
  readonly createdBy: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A rule to be stored, checked already for what it says of packages. */
export interface NewRule {
  readonly id: string
  readonly package: string
  readonly type: string
  readonly lookUp: string
  readonly tenants: readonly string[]
  readonly routes: readonly string[]
  readonly keys: readonly string[]
  readonly action: RuleAction
  readonly isDryRun: boolean
  readonly reason: string
  readonly reference: string
  readonly expiresAt: Date | null
  readonly priority: number
}

interface RuleRow extends Omit<Rule, 'state' | 'isDryRun'> {
  is_dry_run: boolean
  disabled_at: Date | null
  removed_at: Date | null
  look_up: string
}

/**
 * Stores a rule. Rejects with StoreError `tenant_not_found`, `key_not_found`, `rule_contradicts` for one of the same package, scope and priority
 * that does something else, or `too_many_rules`, having changed nothing.
 */
export async function createRule(sql: Sql | TransactionSql, rule: NewRule): Promise<Rule> {
  return await inTransaction(sql, async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(${ADDING})`
    await requireScope(tx, rule)
    await requireRoom(tx, rule)
    await refuseContradiction(tx, rule)
    const { id, type, lookUp, action, isDryRun, reason, reference, expiresAt, priority } = rule
    await tx`
      INSERT INTO rules (id, package, type, look_up, tenants, routes, keys, action, dry_run, reason, reference, expires_at, priority)
      VALUES (${id}, ${rule.package}, ${type}, ${lookUp}, ${[...rule.tenants]}::text[], ${[...rule.routes]}::text[],
        ${[...rule.keys]}::text[], ${action}, ${isDryRun}, ${reason}, ${reference}, ${expiresAt}, ${priority})`
    return await readRule(tx, id)
  })
}

async function requireScope(tx: TransactionSql, { tenants, keys }: NewRule): Promise<void> {
  const [noTenant] = await tx<{ name: string }[]>`
    SELECT name FROM unnest(${[...tenants]}::text[]) AS name
    WHERE NOT EXISTS (SELECT FROM tenants t WHERE t.slug = name AND t.state <> 'deleted') LIMIT 1`
  if (noTenant !== undefined)
    throw new StoreError('tenant_not_found', `tenants: there is no tenant ${noTenant.name}`)
  const [noKey] = await tx<{ name: string }[]>`
    SELECT name FROM unnest(${[...keys]}::text[]) AS name
    WHERE NOT EXISTS (SELECT FROM api_keys k WHERE k.id = name) LIMIT 1`
  if (noKey !== undefined) throw new StoreError('key_not_found', `keys: there is no key ${noKey.name}`)
}

async function requireRoom(tx: TransactionSql, { type, lookUp }: NewRule): Promise<void> {
  const isPattern = lookUp === ''
  const [row] = await tx<{ rules: number; alike: number }[]>`
    SELECT count(*) AS rules, count(*) FILTER (WHERE look_up = ${lookUp} AND ${isPattern ? tx`true` : tx`type = ${type}`}) AS alike
    FROM rules WHERE removed_at IS NULL`
  if ((row?.rules ?? 0) >= MAX_RULES)
    throw new StoreError('too_many_rules', `there are ${MAX_RULES} rules, which is as many as there may be`)
  if ((row?.alike ?? 0) < (isPattern ? MAX_PATTERNS : MAX_OF_NAME)) return
  throw new StoreError(
    'too_many_rules',
    isPattern
      ? `there are ${MAX_PATTERNS} rules with a pattern for a name, which is as many as there may be: each request is compared with all of them`
      : `there are ${MAX_OF_NAME} rules for ${type} packages of this name, which is as many as there may be: give one a range of versions`,
  )
}

/** Of the same package and priority, for somebody of both scopes, with another action: nobody could say which one is meant. */
async function refuseContradiction(tx: TransactionSql, rule: NewRule): Promise<void> {
  const overlap = (column: 'tenants' | 'routes' | 'keys', values: readonly string[]) =>
    values.length === 0
      ? tx`true`
      : tx`(cardinality(${tx(column)}) = 0 OR ${tx(column)} && ${[...values]}::text[])`
  const [other] = await tx<{ id: string; action: string }[]>`
    SELECT id, action FROM rules
    WHERE removed_at IS NULL AND type = ${rule.type} AND look_up = ${rule.lookUp} AND package = ${rule.package}
      AND priority = ${rule.priority} AND action <> ${rule.action} AND dry_run = ${rule.isDryRun}
      AND (expires_at IS NULL OR expires_at > now())
      AND ${overlap('tenants', rule.tenants)} AND ${overlap('routes', rule.routes)} AND ${overlap('keys', rule.keys)}
    LIMIT 1`
  if (other === undefined) return
  throw new StoreError(
    'rule_contradicts',
    `priority: rule ${other.id} says ${other.action} of the same package with the priority ${rule.priority}: give another priority, the highest decides`,
  )
}

/** Which rules are listed. */
export interface RuleListing {
  /** As a rule has it, canonical. */
  readonly package?: string
  readonly action?: string
  /** Removed ones too. */
  readonly includeRemoved?: boolean
  /** Id of the last rule of the page before. */
  readonly after?: string
  /** All unless told. */
  readonly limit?: number
}

/** Rules, newest first. */
export async function listRules(sql: Sql | TransactionSql, listing: RuleListing = {}): Promise<Rule[]> {
  const { package: text, action, includeRemoved, after, limit } = listing
  const rows = await sql<RuleRow[]>`
    ${select(sql)}
    WHERE ${includeRemoved === true ? sql`true` : sql`r.removed_at IS NULL`}
      ${text === undefined ? sql`` : sql`AND r.package = ${text}`}
      ${action === undefined ? sql`` : sql`AND r.action = ${action}`}
      ${after === undefined ? sql`` : sql`AND (r.created_at, r.id) < (SELECT a.created_at, a.id FROM rules a WHERE a.id = ${after})`}
    ORDER BY r.created_at DESC, r.id DESC ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`
  return rows.map(toRule)
}

/** The rule with this id, in any state; null when there is none. */
export async function getRule(sql: Sql | TransactionSql, id: string): Promise<Rule | null> {
  const [row] = await sql<RuleRow[]>`${select(sql)} WHERE r.id = ${id}`
  return row === undefined ? null : toRule(row)
}

/** The rules that may be about a package of this look-up: those that name it, and all patterns of its type. As they are decided by. */
export async function rulesFor(
  sql: Sql | TransactionSql,
  type: string,
  lookUp: string,
): Promise<RuleRecord[]> {
  const rows = await sql<RuleRow[]>`
    ${select(sql)} WHERE r.removed_at IS NULL AND r.type = ${type} AND r.look_up IN (${lookUp}, '')`
  const records = rows.map((row) => toRecord(row))
  return records.toSorted((a, b) => (isBefore(a, b) ? -1 : 1))
}

/**
 * Disables, enables or removes a rule; `changed` is false when it was so already. Rejects with StoreError `rule_not_found`, or `rule_removed` for
 * one that is gone for good.
 */
export async function setRuleState(
  sql: Sql | TransactionSql,
  id: string,
  state: RuleState,
): Promise<{ readonly rule: Rule; readonly changed: boolean }> {
  return await inTransaction(sql, async (tx) => {
    await tx`SELECT FROM rules WHERE id = ${id} FOR UPDATE`
    const rule = await readRule(tx, id)
    if (rule.state === state) return { rule, changed: false }
    if (rule.state === 'removed')
      throw new StoreError('rule_removed', `rule ${id} is removed, for good: add another one`)
    if (state === 'removed') await tx`UPDATE rules SET removed_at = clock_timestamp() WHERE id = ${id}`
    else
      await tx`UPDATE rules SET disabled_at = ${state === 'disabled' ? tx`clock_timestamp()` : null} WHERE id = ${id}`
    return { rule: await readRule(tx, id), changed: true }
  })
}

async function readRule(tx: TransactionSql, id: string): Promise<Rule> {
  const rule = await getRule(tx, id)
  if (rule === null) throw new StoreError('rule_not_found', `there is no rule ${id}`)
  return rule
}

function select(sql: Sql | TransactionSql) {
  return sql`
    SELECT r.id, r.package, r.type, r.look_up, r.tenants, r.routes, r.keys, r.action, r.dry_run AS is_dry_run, r.reason, r.reference,
      r.expires_at AS "expiresAt", r.priority, r.created_by AS "createdBy", r.created_at AS "createdAt",
      r.updated_at AS "updatedAt", r.disabled_at, r.removed_at, r.version
    FROM rules r`
}

function toRecord(row: RuleRow): RuleRecord {
  const { id, type, tenants, routes, keys, action, isDryRun, reason, reference, priority, state, version } =
    toRule(row)
  const scope = { tenants, routes, keys }
  const words = { action, isDryRun, reason, reference, priority, state, version }
  return {
    id,
    package: row.package,
    type,
    lookUp: row.look_up,
    expiresAtMs: row.expiresAt?.getTime() ?? null,
    ...scope,
    ...words,
  }
}

function toRule(row: RuleRow): Rule {
  const { is_dry_run: isDryRun, disabled_at: disabledAt, removed_at: removedAt, look_up: _, ...same } = row
  const state = removedAt !== null ? 'removed' : disabledAt !== null ? 'disabled' : 'active'
  return { ...same, isDryRun, state }
}
