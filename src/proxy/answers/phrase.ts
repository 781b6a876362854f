/** Longest reason phrase: what apt reads of a status line, which is the least of all clients, is 359 characters. */
export const MAX_PHRASE = 250

/** All that a phrase may not hold, of what has a place in it: the rest of Latin-1's printable characters stays. */
const UNPRINTABLE = /[^\x20-\x7e\xa0-\xff]/
const ALL_UNPRINTABLE = new RegExp(UNPRINTABLE, 'g')

/**
 * A sentence as the reason phrase of a status line (RFC 9112 §4), which is all that pip, Maven, Gradle, helm and apt show: printable
 * Latin-1, on one line, no longer than `MAX_PHRASE`.
 */
export function phraseOf(sentence: string): string {
  const phrase = UNPRINTABLE.test(sentence) ? sentence.replaceAll(ALL_UNPRINTABLE, '?') : sentence
  return phrase.length <= MAX_PHRASE ? phrase : `${phrase.slice(0, MAX_PHRASE - 3)}...`
}
