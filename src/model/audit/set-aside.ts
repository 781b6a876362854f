/** Something on a gateway's disk that cannot be stored for now. */
export interface AsideNote {
  /** `segment`: cannot be read; `batch`: PostgreSQL fails with it, and takes others; `file`: cannot be taken over. */
  readonly what: 'segment' | 'batch' | 'file'
  /** Path, with the batch's number. */
  readonly name: string
  /** Of the system, or SQLSTATE. */
  readonly code: string
  /** As far as known. */
  readonly entries: number
  /** ISO 8601. */
  readonly since: string
}

/** What a gateway has set aside; `named` are some of it. */
export interface AsideReport {
  readonly segments: number
  readonly batches: number
  readonly files: number
  /** Rows in them, as far as known. */
  readonly entries: number
  readonly named: readonly AsideNote[]
}

/** One line about it, for people. */
export function asideWords({ what, name, code, entries, since }: AsideNote): string {
  const many = what === 'file' ? '' : `, ${entries} ${entries === 1 ? 'entry' : 'entries'}`
  return `${what} ${name} is set aside since ${since} (${code})${many}`
}

/** How many there are beyond those that are named. */
export function unnamedOf({ segments, batches, files, named }: AsideReport): number {
  return segments + batches + files - named.length
}

/** What stands aside in lines for people, the ones beyond those that are named in one. */
export function asideLines(aside: AsideReport): string[] {
  const more = unnamedOf(aside)
  return [...aside.named.map(asideWords), ...(more > 0 ? [`${more} more are set aside`] : [])]
}
