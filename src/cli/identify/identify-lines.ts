import { identify, type IdentifiedRoute } from '../../artifacts/identify.ts'
import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import { purlOf } from '../../model/artifact/purl.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'
import { safeJson } from '../output/text.ts'

/** Longest line: a request's head is no longer. */
const MAX_LINE = 65_536
/** RFC 9110 §9.1: a token. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/

/**
 * Reads lines `METHOD<TAB>PATH` from stdin and prints what each is about, a JSON object a line, at constant memory. A line that is none is
 * answered with `{"error": …}` in its place, and named on stderr; then the exit code is 1.
 */
export async function identifyLines(io: Io, route: IdentifiedRoute): Promise<ExitCode> {
  let number = 0
  let hasErrors = false
  for await (const lines of linesOf(io.stdin)) {
    let out = ''
    for (const line of lines) {
      number++
      const answer = answerTo(line, route)
      out += `${safeJson(answer)}\n`
      if (!('error' in answer)) continue
      hasErrors = true
      io.stderr.write(`line ${number}: ${answer.error}\n`)
    }
    await writeOut(io.stdout, out)
  }
  return hasErrors ? 1 : 0
}

interface Answer {
  readonly kind: string | null
  readonly purl: string | null
  readonly file: string | null
}

/** `line` is null where it was too long. */
function answerTo(line: string | null, route: IdentifiedRoute): Answer | { readonly error: string } {
  if (line === null) return { error: `is longer than ${MAX_LINE} characters` }
  const [method = '', path, more] = line.split('\t')
  if (path === undefined) return { error: 'is not METHOD<TAB>PATH: there is no tab' }
  if (more !== undefined) return { error: 'is not METHOD<TAB>PATH: there are two tabs' }
  if (!METHOD.test(method)) return { error: 'does not begin with a method such as GET' }
  if (!path.startsWith('/')) return { error: 'has a path that does not begin with /' }
  const { name, purlType } = ECOSYSTEMS[route.kind]
  if (name === '') return { kind: null, purl: null, file: null }
  const { kind, package: found, file } = identify(route, method, path)
  return { kind, purl: found === null ? null : purlOf(purlType, found), file: file === '' ? null : file }
}

/** The lines of each chunk, without their ends; null for one that is too long, of which no more is kept. */
async function* linesOf(input: AsyncIterable<Buffer | string>): AsyncGenerator<(string | null)[]> {
  const decoder = new TextDecoder()
  let rest = ''
  let isTooLong = false
  const lineOf = (text: string): string | null => {
    const isLong = isTooLong || text.length > MAX_LINE
    isTooLong = false
    return isLong ? null : text.replace(/\r$/, '')
  }
  for await (const chunk of input) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    const lines = parts.map(lineOf)
    if (rest.length > MAX_LINE) {
      isTooLong = true
      rest = ''
    }
    yield lines
  }
  if (rest !== '' || isTooLong) yield [lineOf(rest)]
}
