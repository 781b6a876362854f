import { after } from '../state/clock.ts'
import { noteGatewayTime } from './gateway-clock.ts'

/** A refusal or failure of the gateway, or none of an answer. Its message is for people. */
export class ApiError extends Error {
  /** 0 where there was no answer. */
  readonly status: number
  readonly detail: string
  /** Stable; '' where there was none. */
  readonly code: string
  /** What is wrong with each field, by its name. */
  readonly fields: readonly { readonly field: string; readonly detail: string }[]

  constructor(
    status: number,
    title: string,
    { detail = '', code = '', fields = [] }: Partial<Pick<ApiError, 'detail' | 'code' | 'fields'>> = {},
  ) {
    super(title)
    this.name = 'ApiError'
    this.status = status
    this.detail = detail
    this.code = code
    this.fields = fields
  }
}

export interface Call {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Longest wait for the answer; of a stream, for each piece of it. */
  readonly timeoutMs?: number
}

/** An answer, and the version that a change of it has to name. */
export interface Answer<T> {
  readonly value: T
  readonly etag: string | null
}

const TIMEOUT_MS = 40_000
const TOKEN = 'waybill-admin-token'

/** Called when the gateway wants a sign-in. */
let onUnauthorized = (): void => {}

export function whenUnauthorized(callback: () => void): void {
  onUnauthorized = callback
}

/** Keeps the token for this tab alone; '' forgets it. */
export function keepToken(token: string): void {
  if (token === '') sessionStorage.removeItem(TOKEN)
  else sessionStorage.setItem(TOKEN, token)
}

/** Whether the tab's questions bear a token: links of the page do not. */
export function hasToken(): boolean {
  return sessionStorage.getItem(TOKEN) !== null
}

/** Asks the gateway. Rejects with an ApiError; when the call's signal ends it, with what the signal says. */
export async function ask<T>(path: string, call: Call = {}): Promise<Answer<T>> {
  const response = await send(path, call)
  if (!response.ok) throw await errorOf(response)
  const text = await response.text()
  const value = (text === '' ? null : JSON.parse(text)) as T
  return { value, etag: response.headers.get('etag') }
}

/** `ask` for those who need no version. */
export async function get<T>(path: string, call: Call = {}): Promise<T> {
  return (await ask<T>(path, call)).value
}

/** Begins an answer that lasts: its pieces of text, until one side ends. Rejects as `ask`, while reading too. */
export async function* stream(path: string, call: Call = {}): AsyncGenerator<string, void> {
  const late = new AbortController()
  const wait = (): (() => void) => after(call.timeoutMs ?? TIMEOUT_MS, () => late.abort())
  let stopWaiting = wait()
  try {
    const response = await send(path, call, late.signal)
    if (!response.ok) throw await errorOf(response)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const piece = await reader?.read()
      if (piece === undefined || piece.done) return
      stopWaiting()
      stopWaiting = wait()
      yield piece.value
    }
  } catch (error) {
    if (call.signal?.aborted === true || error instanceof ApiError) throw error
    throw new ApiError(0, 'The connection to the gateway broke', { detail: String(error) })
  } finally {
    stopWaiting()
    late.abort()
  }
}

async function send(
  path: string,
  { method = 'GET', body, headers = {}, signal, timeoutMs }: Call,
  late: AbortSignal = AbortSignal.timeout(timeoutMs ?? TIMEOUT_MS),
): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN)
  const askedMs = Date.now()
  try {
    const response = await fetch(path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
    })
    noteGatewayTime(response.headers.get('date'), askedMs, Date.now())
    return response
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw new ApiError(0, late.aborted ? 'No answer in time' : 'No answer from the gateway', {
      detail: String(error),
    })
  }
}

interface ProblemDocument {
  readonly title?: string
  readonly detail?: string
  readonly code?: string
  readonly errors?: readonly {
    readonly field?: string
    readonly parameter?: string
    readonly detail: string
  }[]
}

async function errorOf(response: Response): Promise<ApiError> {
  if (response.status === 401) onUnauthorized()
  const problem = (await response.json().catch(() => ({}))) as ProblemDocument
  const fields = (problem.errors ?? []).map(({ field, parameter, detail }) => ({
    field: field ?? parameter ?? '',
    detail,
  }))
  const { title = `Status ${response.status}`, detail = '', code = '' } = problem
  return new ApiError(response.status, title, { detail, code, fields })
}

/** What to say of a failure: title and detail. */
export function messageOf(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error)
  if (error.status === 0 || error.detail === '') return error.message
  return `${error.message}. ${error.detail}`
}
