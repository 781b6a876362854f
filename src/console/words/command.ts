/** A word of a POSIX shell's command line that means exactly this text. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** A call of the API as a line for curl. The token comes from the environment: a line that is shared bears no secret. */
export function curlOf(
  origin: string,
  call: { readonly method?: string; readonly path: string; readonly body?: unknown },
): string {
  const { method = 'GET', path, body } = call
  const parts = ['curl -sS']
  if (method !== 'GET') parts.push(`-X ${method}`)
  parts.push('-H "Authorization: Bearer $WAYBILL_TOKEN"')
  if (body !== undefined)
    parts.push("-H 'Content-Type: application/json'", `-d ${shellWord(JSON.stringify(body))}`)
  parts.push(shellWord(origin + path))
  return parts.join(' ')
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
