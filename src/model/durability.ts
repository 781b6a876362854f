/** Settings of a PostgreSQL session or server, as `SHOW` tells them. */
export interface DurabilitySettings {
  readonly synchronous_commit: string
  readonly fsync: string
  readonly full_page_writes: string
  /** 'on' for a standby. */
  readonly in_recovery: string
}

/**
 * By which of its settings a server may lose, in a crash of its own, what it has acknowledged: then "stored" says less than it
 * should. `local` and beyond wait for the server's own disk, which is all that is promised.
 */
export function weaknessesOf(settings: DurabilitySettings): string[] {
  const weak = [
    ['synchronous_commit', 'off'],
    ['fsync', 'off'],
    ['full_page_writes', 'off'],
    ['in_recovery', 'on'],
  ] as const
  return weak.filter(([name, value]) => settings[name] === value).map(([name, value]) => `${name} = ${value}`)
}

/** The statement that asks for them: one row. */
export const DURABILITY_STATEMENT = `SELECT current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  CASE WHEN pg_is_in_recovery() THEN 'on' ELSE 'off' END AS in_recovery`
