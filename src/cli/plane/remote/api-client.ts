import { readFileSync } from 'node:fs'
import { request as plainRequest, type IncomingMessage } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { errorCode } from '../../../lib/error-code.ts'
import { addressBelow } from '../../../lib/address-below.ts'
import { STORE_ERROR_CODES, StoreError, type StoreErrorCode } from '../../../store/errors.ts'
import { CommandError } from '../../errors.ts'

/** Where the API is, and how it is asked. */
export interface ApiPlace {
  /** Of the admin listener; a path before /api/v1 is kept, as of a proxy. */
  readonly url: URL
  readonly token: string | null
  /** File of certificates to trust in place of the system's; null for those. */
  readonly caFile: string | null
}

/** What is asked of an operation. */
export interface ApiAsk {
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: object
  readonly ifMatch?: number | null
  readonly isOnlyNew?: boolean
  readonly signal?: AbortSignal
  /** An answer that may be silent for as long as it takes; that the other machine is gone is noticed by TCP alone. */
  readonly isOftenSilent?: boolean
}

/** Idle time before TCP asks whether the other machine is still there; systems ask about ten times from then on. */
const KEEP_ALIVE_MS = 30_000
/** A whole answer; lists come in pages of 1,000. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** Asks the API of a gateway. Rejects with a StoreError for what the store refuses, as the store itself does, and with a CommandError else. */
export class ApiClient {
  readonly #place: ApiPlace
  readonly #silenceMs: number
  readonly #ca: string | undefined

  /** `silenceMs`: a connection that is silent for so long has failed. Throws a CommandError when the file of certificates cannot be read. */
  constructor(place: ApiPlace, silenceMs: number) {
    this.#place = place
    this.#silenceMs = silenceMs
    this.#ca = place.caFile === null ? undefined : readCertificates(place.caFile)
  }

  /** An answer as JSON; null for 404, where that is asked for by `orNull`. */
  async ask<T>(method: string, path: string, given: ApiAsk = {}): Promise<T> {
    const response = await this.#send(method, path, given)
    const text = await readText(response)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return (text === '' ? null : parseAnswer(text)) as T
    throw this.#refusal(status, text)
  }

  /** As `ask`; null when there is no such thing. */
  async find<T>(path: string, given: ApiAsk = {}): Promise<T | null> {
    try {
      return await this.ask<T>('GET', path, given)
    } catch (error) {
      if (error instanceof StoreError && error.code.endsWith('_not_found')) return null
      throw error
    }
  }

  /** The items of all pages of a list, from the `cursor` of the query on. */
  async *pages<T>(
    path: string,
    query: Readonly<Record<string, string | undefined>>,
  ): AsyncGenerator<readonly T[], void, undefined> {
    for (let cursor = query['cursor']; ;) {
      const page: { items: T[]; next: string | null } = await this.ask('GET', path, {
        query: { limit: '1000', ...query, cursor },
      })
      yield page.items
      if (page.next === null) return
      cursor = page.next
    }
  }

  /** The lines of an answer that lasts. Rejects with a CommandError when it is cut off; ends with the signal. */
  async *lines(path: string, given: ApiAsk): AsyncGenerator<string, void, undefined> {
    const response = await this.#send('GET', path, given)
    const status = response.statusCode ?? 0
    if (status !== 200) throw this.#refusal(status, await readText(response))
    try {
      yield* createInterface({ input: response, crlfDelay: Infinity })
      if (!response.complete && given.signal?.aborted !== true) throw this.#failure({ code: 'ECONNRESET' })
    } catch (error) {
      if (given.signal?.aborted !== true) throw error instanceof CommandError ? error : this.#failure(error)
    } finally {
      response.destroy()
    }
  }

  async #send(method: string, path: string, given: ApiAsk): Promise<IncomingMessage> {
    const { token } = this.#place
    const url = addressBelow(this.#place.url, `/api/v1${path}`)
    for (const [name, value] of Object.entries(given.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, value)
    const body = given.body === undefined ? null : Buffer.from(JSON.stringify(given.body))
    const headers = {
      accept: 'application/json, application/x-ndjson, text/event-stream',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
      ...(given.ifMatch === undefined || given.ifMatch === null ? {} : { 'if-match': `"${given.ifMatch}"` }),
      ...(given.isOnlyNew === true ? { 'if-none-match': '*' } : {}),
    }
    const { signal, isOftenSilent = false } = given
    // A connection of its own for each: one that was kept may have been closed meanwhile.
    const options = {
      method,
      headers,
      agent: false,
      ...(isOftenSilent ? {} : { timeout: this.#silenceMs }),
      ...(signal === undefined ? {} : { signal }),
    }
    return await new Promise((resolve, reject) => {
      const request =
        url.protocol === 'https:'
          ? tlsRequest(url, { ...options, ...(this.#ca === undefined ? {} : { ca: this.#ca }) })
          : plainRequest(url, options)
      request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS))
      request.on('timeout', () => request.destroy(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' })))
      request.on('error', (error) => reject(this.#failure(error)))
      request.on('response', resolve)
      request.end(body ?? undefined)
    })
  }

  #failure(error: unknown): CommandError {
    return new CommandError(`the API at ${this.#place.url.origin} cannot be reached (${errorCode(error)})`, {
      cause: error,
    })
  }

  #refusal(status: number, text: string): Error {
    const problem = problemOf(text)
    const said = problem.detail ?? problem.title ?? `status ${status}`
    const { code = '' } = problem
    if (isStoreErrorCode(code)) return new StoreError(code, said)
    const { origin } = this.#place.url
    if (status === 401)
      return new CommandError(`the API at ${origin} does not take the token of WAYBILL_TOKEN: ${said}`)
    if (problem.title === undefined)
      return new CommandError(`what answers at ${origin} is not the API of Waybill (status ${status})`)
    return new CommandError(status === 400 ? said : `the API at ${origin} refuses: ${said}`)
  }
}

interface Problem {
  readonly title?: string
  readonly detail?: string
  readonly code?: string
}

function problemOf(text: string): Problem {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? read : {}
  } catch {
    return {}
  }
}

function isStoreErrorCode(code: string): code is StoreErrorCode {
  return (STORE_ERROR_CODES as readonly string[]).includes(code)
}

/** JSON of an answer. Throws a CommandError for what is none. */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new CommandError('the API has answered with what is not JSON', { cause: error })
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new CommandError('the answer of the API is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`--ca-file: ${file} cannot be read (${errorCode(error)})`, { cause: error })
  }
}
