/** A word of a POSIX shell's command line that means exactly this text. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/**
 * A call of the API as a line for curl, which prints a stream as it comes. The token comes from the environment: a line that is shared
 * bears no secret.
 */
export function curlOf(url: string, isStream = false): string {
  return `curl -sS${isStream ? 'N' : ''} -H "Authorization: Bearer $WAYBILL_TOKEN" ${shellWord(url)}`
}

/** A command of the CLI, by its words: names of things come from addresses. Flags without a value are left out. */
export function cliOf(
  command: readonly string[],
  flags: readonly (readonly [flag: string, value: string | null | undefined])[] = [],
): string {
  const given = flags.flatMap(([flag, value]) =>
    value === null || value === undefined || value === '' ? [] : [`${flag} ${shellWord(value)}`],
  )
  return ['waybill', ...command.map(shellWord), ...given].join(' ')
}
