/**
 * What a request was to a package. `download`: its file was sent whole. `partial`: a part of it was, by a range, or because the answer broke
 * off. `redirected`: the client was sent on to another address for it. `unchanged`: the client has it (304). `upload`: it was written.
 * `lookup`: an index, a document about it, or a HEAD. `failed`: a download or upload that came to nothing. `refused`: by Waybill.
 */
export const PACKAGE_USES = [
  'download',
  'partial',
  'redirected',
  'unchanged',
  'upload',
  'lookup',
  'failed',
  'refused',
] as const

export type PackageUse = (typeof PACKAGE_USES)[number]

/** The most frequent values, and how many others there were. */
export interface Sample {
  readonly values: readonly string[]
  readonly more: number
}

/** What was done to a package with one key, in one way. */
export interface PackageUser {
  /** Package URL without version and qualifiers. */
  readonly purl: string
  /** Null for requests that could not be attributed; so is the key. */
  readonly tenant: string | null
  readonly keyId: string | null
  /** Null where it has none, or there is no such key any more. */
  readonly keyName: string | null
  readonly keyState: 'active' | 'expired' | 'revoked' | null
  readonly use: PackageUse
  /** How it failed or was refused; null for other uses. */
  readonly outcome: string | null
  readonly requests: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly firstAt: Date
  readonly lastAt: Date
  /** Versions, with qualifiers where there are any, as a package URL writes them; '' where none is known. */
  readonly versions: Sample
  readonly addresses: Sample
  readonly userAgents: Sample
}

/** Who did something with a package, and what the log cannot tell of it. */
export interface PackageUsers {
  /** By package, tenant, key, and use in the order of `PACKAGE_USES`. */
  readonly users: readonly PackageUser[]
  /** Of all users, of whom `users` has the first. */
  readonly userCount: number
  /** Downloads and uploads of the package whose version, or qualifier, is not known. */
  readonly unversioned: number
  /** Downloads and uploads in versions that the range cannot be compared with, and these versions. */
  readonly incomparable: number
  readonly incomparableVersions: Sample
  /** Packages whose names differ in their spelling only, where that makes another package. */
  readonly likeNamed: Sample
  /** True when there were more versions than could be looked at. */
  readonly isCut: boolean
}
