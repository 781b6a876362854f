import { randomBytes } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import { PURL_TYPES } from '../../../artifacts/purl-types.ts'
import { QueryError } from '../../../model/artifact/query-error.ts'
import { lookUpOf } from '../../../model/rules/look-up.ts'
import { readTried, tryRules } from '../../../model/rules/rule-trial.ts'
import {
  DEFAULT_PRIORITY,
  MAX_PRIORITY,
  MAX_SCOPE,
  RULE_ACTIONS,
  RULE_MARKS,
  RULE_TEXT_MAX,
} from '../../../model/rules/rule.ts'
import { readRulePackage, reasonProblem, referenceProblem } from '../../../model/rules/rule-wish.ts'
import { readClock } from '../../../store/entries/retention.ts'
import { StoreError } from '../../../store/errors.ts'
import {
  createRule,
  getRule,
  listRules,
  type Rule,
  rulesFor,
  setRuleState,
} from '../../../store/rules/rules.ts'
import { change } from '../change.ts'
import { EXPIRES, expiryOf, ID, SLUG } from '../fields.ts'
import { changeOnce, ONCE } from '../once.ts'
import { json, jsonBody, LIMIT, operation, pageBody, pageOf, TIME, type Api } from '../operation.ts'
import { ApiError } from '../problems.ts'
import type { ApiSources } from '../sources.ts'

const TYPES: readonly string[] = [...new Set(PURL_TYPES.values())]
const RULE_ID = z
  .string()
  .regex(/^r[0-9a-f]{16}$/, 'r and 16 of 0-9 and a-f')
  .openapi({ example: 'r0123456789abcdef' })
const PACKAGE = z.string().min(1).max(2048).openapi({ example: 'pkg:npm/left-pad@1.3.0' })

const RULE = z
  .object({
    id: RULE_ID,
    package: z.string().openapi({ description: 'Package URL; `*` in its name and version, or a range.' }),
    action: z.string().openapi({ description: RULE_ACTIONS.join(', ') }),
    dryRun: z.boolean().openapi({ description: 'It decides nothing; entries say what it would have done.' }),
    state: z.enum(['active', 'disabled', 'removed']),
    tenants: z.array(z.string()).openapi({ description: 'Whom it concerns; none means all.' }),
    routes: z.array(z.string()),
    keys: z.array(z.string()),
    priority: z.int().openapi({ description: 'The highest decides.' }),
    reason: z.string().openapi({ description: 'Clients are shown it.' }),
    reference: z.string(),
    expiresAt: TIME.nullable(),
    createdBy: z.string(),
    createdAt: TIME,
    version: z.int(),
  })
  .openapi('Rule')

const NEW_RULE = z
  .strictObject({
    package: PACKAGE,
    action: z.enum(RULE_ACTIONS).default('deny'),
    dryRun: z.boolean().default(false),
    tenants: z.array(SLUG).max(MAX_SCOPE).default([]),
    routes: z.array(SLUG).max(MAX_SCOPE).default([]),
    keys: z.array(ID).max(MAX_SCOPE).default([]),
    priority: z.int().min(0).max(MAX_PRIORITY).optional(),
    reason: z.string().max(RULE_TEXT_MAX.reason),
    reference: z.string().max(RULE_TEXT_MAX.reference).default(''),
    expires: EXPIRES.default(null),
    all: z.boolean().default(false).openapi({ description: 'It may be about every package of a type.' }),
  })
  .openapi('NewRule')

const TRIAL = z
  .object({
    answer: z.string(),
    decides: z.object({ id: z.string(), action: z.enum(RULE_MARKS) }).nullable(),
    rules: z.array(
      z.object({
        id: z.string(),
        package: z.string(),
        action: z.string(),
        priority: z.int(),
        says: z.string(),
      }),
    ),
  })
  .openapi('RuleTrial')

const TAGS = ['rules']
const OPERATOR = { role: 'operator', isForTenants: false } as const
const VIEWER = { role: 'viewer', isForTenants: false } as const

/** /rules: what is denied, watched, or let pass as an exception. */
export function addRules(api: Api, sources: ApiSources): void {
  // Before the rule of an id, whose path it has as well.
  addTrial(api, sources)
  addReading(api, sources)
  addChanging(api, sources)
}

function addReading(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(VIEWER, {
      method: 'get',
      path: '/rules',
      operationId: 'listRules',
      tags: TAGS,
      request: {
        query: z.strictObject({
          limit: LIMIT,
          cursor: RULE_ID.optional(),
          package: PACKAGE.optional().openapi({ description: 'Only rules of exactly this package.' }),
          removed: z.enum(['true', 'false']).default('false').openapi({ description: 'Removed ones too.' }),
        }),
      },
      responses: { 200: json(pageOf(RULE), 'Rules, newest first') },
    }),
    async (c) => {
      const { limit, cursor, removed, package: text } = c.req.valid('query')
      const rules = await listRules(reader, {
        includeRemoved: removed === 'true',
        ...(cursor === undefined ? {} : { after: cursor }),
        ...(text === undefined ? {} : { package: readField('package', text, readRulePackage).package }),
        limit: limit + 1,
      })
      return c.json(pageBody(rules, limit, { body: ruleBody, cursor: ({ id }) => id }), 200)
    },
  )
  api.openapi(
    operation(VIEWER, {
      method: 'get',
      path: '/rules/{id}',
      operationId: 'getRule',
      tags: TAGS,
      request: { params: z.object({ id: RULE_ID }) },
      responses: { 200: json(RULE, 'The rule') },
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const rule = await getRule(reader, id)
      if (rule === null) throw new StoreError('rule_not_found', `there is no rule ${id}`)
      return c.json(ruleBody(rule), 200)
    },
  )
}

function addTrial(api: Api, { reader }: ApiSources): void {
  api.openapi(
    operation(VIEWER, {
      method: 'get',
      path: '/rules/test',
      operationId: 'testRules',
      tags: TAGS,
      description: 'Which rule decides on a download of a package, and why.',
      request: {
        query: z.strictObject({
          package: PACKAGE,
          tenant: SLUG.optional(),
          route: SLUG.optional(),
          key: ID.optional(),
        }),
      },
      responses: { 200: json(TRIAL, 'The verdict') },
    }),
    async (c) => {
      const { package: text, tenant = '', route = '', key = '' } = c.req.valid('query')
      const found = readField('package', text, readTried)
      const { databaseMs: nowMs } = await readClock(reader, Date.now)
      const records = await rulesFor(reader, found.type, lookUpOf(found.type, found.name))
      const { rules, ...trial } = tryRules(records, { found, tenant, route, key, nowMs })
      const bodies = rules.map(({ rule, says }) => {
        const { id, package: about, action, priority } = rule
        return { id, package: about, action, priority, says }
      })
      return c.json({ ...trial, rules: bodies }, 200)
    },
  )
}

function addChanging(api: Api, { control, configuration }: ApiSources): void {
  api.openapi(
    operation(OPERATOR, {
      method: 'post',
      path: '/rules',
      operationId: 'createRule',
      tags: TAGS,
      request: { headers: ONCE, body: jsonBody(NEW_RULE) },
      responses: { 201: json(RULE, 'The rule') },
    }),
    async (c) => {
      const { expires, all, dryRun, ...wish } = c.req.valid('json')
      const { isEverything, ...about } = readField('package', wish.package, readRulePackage)
      if (isEverything && !all)
        throw ApiError.ofField(
          'package',
          'is about every package of its type: send all: true if that is meant',
        )
      refuse('reason', reasonProblem(wish.reason))
      refuse('reference', referenceProblem(wish.reference))
      const known = new Set(configuration().routes.map(({ name }) => name))
      const unknown = wish.routes.find((name) => !known.has(name))
      if (unknown !== undefined) throw ApiError.ofField('routes', `there is no route ${unknown}`)
      const made = await changeOnce(c, control, async (tx) => {
        const rule = await createRule(tx, {
          ...wish,
          ...about,
          id: `r${randomBytes(8).toString('hex')}`,
          isDryRun: dryRun,
          priority: wish.priority ?? DEFAULT_PRIORITY[wish.action],
          expiresAt: await expiryOf(tx, expires),
        })
        return ruleBody(rule)
      })
      return c.json(made, 201)
    },
  )
  for (const [method, path, operationId, state] of CHANGES)
    api.openapi(
      operation(OPERATOR, {
        method,
        path,
        operationId,
        tags: TAGS,
        request: { params: z.object({ id: RULE_ID }) },
        responses: { 200: json(RULE, 'The rule as it is now') },
      }),
      async (c) => {
        const { rule } = await change(c, control, (tx) => setRuleState(tx, c.req.valid('param').id, state))
        return c.json(ruleBody(rule), 200)
      },
    )
}

const CHANGES = [
  ['post', '/rules/{id}/disable', 'disableRule', 'disabled'],
  ['post', '/rules/{id}/enable', 'enableRule', 'active'],
  ['delete', '/rules/{id}', 'removeRule', 'removed'],
] as const

/** Reads a field; throws an ApiError that says what is wrong with it, and where. */
function readField<T>(field: string, text: string, read: (text: string, types: readonly string[]) => T): T {
  try {
    return read(text, TYPES)
  } catch (error) {
    if (error instanceof QueryError) throw ApiError.ofField(field, error.message)
    throw error
  }
}

function refuse(field: string, problem: string | null): void {
  if (problem !== null) throw ApiError.ofField(field, problem)
}

function ruleBody(rule: Rule): z.infer<typeof RULE> {
  const { id, action, isDryRun, state, tenants, routes, keys, priority, reason, reference, createdBy } = rule
  return {
    id,
    package: rule.package,
    action,
    dryRun: isDryRun,
    state,
    tenants: [...tenants],
    routes: [...routes],
    keys: [...keys],
    priority,
    reason,
    reference,
    expiresAt: rule.expiresAt?.toISOString() ?? null,
    createdBy,
    createdAt: rule.createdAt.toISOString(),
    version: rule.version,
  }
}
