import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from '../../harness/product.ts'

/** What is tried with each client: the columns of the table in docs/clients.md. */
export const FEATURES = [
  'setup',
  'login',
  'install',
  'publish',
  'resume',
  'refused',
  'limited',
  'identified',
  'front',
  'revoked',
] as const

export type Feature = (typeof FEATURES)[number]

/** Where results lie for `table.ts`. */
export const RESULTS = join(projectFolder(), '.cache/clients')

/** What became of one client in this run. */
export interface ClientResult {
  readonly client: string
  readonly version: string
  /** `yes`, or in a few words what the client does instead; a feature that is absent was not tried. */
  readonly features: Partial<Record<Feature, string>>
}

/** Collects what a test found of a client, and leaves it for the table of the documents. */
export class Report {
  readonly #result: { client: string; version: string; features: Partial<Record<Feature, string>> }
  readonly #file: string

  /** `part` tells what another test finds of the same client apart from this. */
  constructor(client: string, version: string, part?: string) {
    this.#result = { client, version, features: {} }
    this.#file = join(RESULTS, `${client}${part === undefined ? '' : `.${part}`}.json`)
  }

  /** Notes a feature that was shown to work, or in a few words what the client does instead. */
  note(feature: Feature, found = 'yes'): void {
    this.#result.features[feature] = found
    mkdirSync(RESULTS, { recursive: true })
    writeFileSync(this.#file, `${JSON.stringify(this.#result)}\n`)
  }
}
