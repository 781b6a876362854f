import type { documentOf } from '../../admin/api/document.ts'

type Document = ReturnType<typeof documentOf>
type Json = Readonly<Record<string, unknown>>

/**
 * For tests: the types of a client of the API, from its OpenAPI 3.1 document: `paths` and `components` in the form that openapi-fetch reads
 * (that of openapi-typescript 7, which needs a TypeScript before 7). Of JSON Schema what the document uses; throws a TypeError for anything else.
 */
export function clientTypes(document: Document): string {
  const { paths = {}, components = {} } = document as unknown as {
    readonly paths?: Readonly<Record<string, Readonly<Record<string, Json>>>>
    readonly components?: { readonly schemas?: Readonly<Record<string, Json>> }
  }
  const schemas = Object.entries(components.schemas ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `${HEAD}
export interface components {
  schemas: {
${schemas.map(([name, schema]) => `    ${quoted(name)}: ${typeOf(schema)}`).join('\n')}
  }
}

export interface paths {
${Object.entries(paths).map(pathText).join('\n')}
}
`
}

const HEAD = `// Made of the OpenAPI document by src/test/api/client-types.ts: \`WAYBILL_UPDATE_SNAPSHOT=1 npx tap dist/admin/api/client-types.test.js\`.
`

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'options', 'head', 'trace'] as const

function pathText([path, item]: [string, Readonly<Record<string, Json>>]): string {
  const methods = METHODS.map((method) => {
    const operation = item[method]
    return operation === undefined ? `    ${method}?: never` : `    ${method}: ${operationText(operation)}`
  })
  return `  ${quoted(path)}: {\n    parameters: { query?: never; header?: never; path?: never; cookie?: never }\n${methods.join('\n')}\n  }`
}

function operationText(operation: Json): string {
  const parameters = (operation['parameters'] ?? []) as readonly Json[]
  const places = ['query', 'header', 'path', 'cookie'].map((place) => {
    const those = parameters.filter((one) => one['in'] === place)
    if (those.length === 0) return `${place}?: never`
    const isRequired = those.some((one) => one['required'] === true)
    const fields = those.map(
      (one) =>
        `${quoted(String(one['name']))}${one['required'] === true ? '' : '?'}: ${typeOf(one['schema'])}`,
    )
    return `${place}${isRequired ? '' : '?'}: { ${fields.join('; ')} }`
  })
  const body = operation['requestBody'] as Json | undefined
  const responses = Object.entries(operation['responses'] as Readonly<Record<string, Json>>)
  const request =
    body === undefined ? 'requestBody?: never' : `requestBody: { content: ${contentText(body)} }`
  const answers = responses.map(([status, one]) => `${status}: ${answerText(one)}`)
  return `{ parameters: { ${places.join('; ')} }; ${request}; responses: { ${answers.join('; ')} } }`
}

function answerText(answer: Json): string {
  const headers = 'headers: { [name: string]: unknown }'
  return answer['content'] === undefined
    ? `{ ${headers}; content?: never }`
    : `{ ${headers}; content: ${contentText(answer)} }`
}

function contentText({ content }: Json): string {
  const types = Object.entries(content as Readonly<Record<string, Json>>)
  return `{ ${types.map(([type, { schema }]) => `${quoted(type)}: ${typeOf(schema)}`).join('; ')} }`
}

function typeOf(schema: unknown): string {
  if (schema === undefined || schema === true) return 'unknown'
  const of = schema as Json
  if (typeof of['$ref'] === 'string') return referred(of['$ref'])
  if (Array.isArray(of['enum'])) return of['enum'].map((value) => JSON.stringify(value)).join(' | ')
  if ('const' in of) return JSON.stringify(of['const'])
  for (const [word, by] of [
    ['anyOf', ' | '],
    ['oneOf', ' | '],
    ['allOf', ' & '],
  ] as const) {
    const parts = of[word]
    if (Array.isArray(parts)) return `(${parts.map(typeOf).join(by)})`
  }
  const { type } = of
  if (Array.isArray(type)) return `(${type.map((one) => typeOf({ ...of, type: one })).join(' | ')})`
  return plainType(type, of)
}

function plainType(type: unknown, of: Json): string {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type
    case 'integer':
    case 'number':
      return 'number'
    case 'array':
      return arrayType(of)
    case 'object':
      return objectType(of)
    case undefined:
      return 'unknown'
    default:
      throw new TypeError(`a schema of type ${JSON.stringify(type)} has no type here`)
  }
}

function arrayType({ items, prefixItems }: Json): string {
  if (Array.isArray(prefixItems)) return `[${prefixItems.map(typeOf).join(', ')}]`
  return `(${typeOf(items)})[]`
}

function objectType(of: Json): string {
  const fields = Object.entries((of['properties'] ?? {}) as Json)
  const required = new Set((of['required'] ?? []) as readonly string[])
  const texts = fields.map(
    ([name, schema]) => `${quoted(name)}${required.has(name) ? '' : '?'}: ${typeOf(schema)}`,
  )
  const more = of['additionalProperties']
  if (fields.length === 0) return `Record<string, ${more === false ? 'never' : typeOf(more)}>`
  const plain = `{ ${texts.join('; ')} }`
  return more === undefined || more === false ? plain : `(${plain} & Record<string, unknown>)`
}

function referred(reference: string): string {
  const name = reference.replace('#/components/schemas/', '')
  return `components["schemas"][${quoted(name)}]`
}

function quoted(name: string): string {
  return JSON.stringify(name)
}
