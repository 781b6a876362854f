import { endOfDigits, isAlphanumeric, isDigit } from './paths.ts'

/** Longest first, as `r` begins `rc` and `rev`, and `a` `alpha`. */
const WORDS = ['preview', 'alpha', 'beta', 'post', 'dev', 'pre', 'rev', 'rc', 'a', 'b', 'c', 'r'] as const
const SEPARATORS = '.-_'

/**
 * Whether the text from `start` on is a version in any spelling of PEP 440 ("Appendix B", without its leading `v`, with as many suffixes
 * as there are). Reads each character once.
 */
export function isPythonVersion(text: string, start: number): boolean {
  let at = endOfDigits(text, start)
  if (at === start) return false
  if (text[at] === '!') {
    const epoch = at + 1
    at = endOfDigits(text, epoch)
    if (at === epoch) return false
  }
  while (text[at] === '.' && isDigit(text.charCodeAt(at + 1))) at = endOfDigits(text, at + 1)
  for (;;) {
    const end = endOfSuffix(text, at)
    if (end === at) break
    at = end
  }
  return at === text.length || (text[at] === '+' && isLocal(text, at + 1))
}

/** Where one suffix ends, as `rc1`, `.post2`, `-1`; `at` where there is none. */
function endOfSuffix(text: string, at: number): number {
  if (at >= text.length) return at
  const isApart = SEPARATORS.includes(text.charAt(at))
  const start = isApart ? at + 1 : at
  if (text[at] === '-' && isDigit(text.charCodeAt(start))) return endOfDigits(text, start)
  const word = wordAt(text, start)
  if (word === 0) return at
  const end = start + word
  const digits = SEPARATORS.includes(text.charAt(end)) ? endOfDigits(text, end + 1) : end
  return digits > end + 1 ? digits : endOfDigits(text, end)
}

function wordAt(text: string, start: number): number {
  const lower = text.slice(start, start + 7).toLowerCase()
  return WORDS.find((word) => lower.startsWith(word))?.length ?? 0
}

/** Letters, digits and separators between them. */
function isLocal(text: string, start: number): boolean {
  for (let i = start; i < text.length; i++) {
    if (!isAlphanumeric(text.charCodeAt(i)) && !SEPARATORS.includes(text.charAt(i))) return false
  }
  return start < text.length
}
