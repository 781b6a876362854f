/** What one value of a mapping in the configuration may be. */
export interface Field<T> {
  /** Stands for a value that is left out; without it the value must be there. */
  readonly absent?: { readonly value: T }
  /** The value, or undefined when it is not allowed: then the problems tell why, each beginning with `at`. */
  readonly read: (value: unknown, at: string, problems: string[]) => T | undefined
}

/** What a mapping with these fields gives. */
type Values<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** A value that `parse` knows; null is none of its. `form` says in words what is allowed. */
export function field<T>(form: string, parse: (value: unknown) => T | null): Field<T> {
  return {
    read: (value, at, problems) => {
      const parsed = value === undefined ? null : parse(value)
      if (parsed !== null) return parsed
      problems.push(`${at}: must be ${form}${value === undefined ? '; it is missing' : ''}`)
      return undefined
    },
  }
}

/** The same, and this where it is left out. */
export function withDefault<T>(of: Field<T>, value: T): Field<T> {
  return { ...of, absent: { value } }
}

/** The same, and null where it is left out. */
export function optional<T>(of: Field<T>): Field<T | null> {
  return { ...of, absent: { value: null } }
}

/** A mapping of exactly these fields. All that is wrong with it is told at once. */
export function mapping<F extends Readonly<Record<string, Field<unknown>>>>(fields: F): Field<Values<F>> {
  return {
    read: (value, at, problems) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        problems.push(`${at}: must be a mapping of ${Object.keys(fields).join(', ')}`)
        return undefined
      }
      const before = problems.length
      const given = new Map<string, unknown>(Object.entries(value))
      const read = Object.entries(fields).map(([name, { absent, read: readOne }]): [string, unknown] => {
        const one = given.get(name)
        given.delete(name)
        if (one === undefined && absent !== undefined) return [name, absent.value]
        return [name, readOne(one, `${at}.${name}`, problems)]
      })
      for (const name of given.keys()) problems.push(`${at}.${name}: unknown field`)
      return problems.length === before ? (Object.fromEntries(read) as Values<F>) : undefined
    },
  }
}
