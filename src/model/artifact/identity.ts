/**
 * What a request of an artifact client asks for. `index` lists packages or versions; `metadata` is a document about one version, its
 * checksums and signatures; `artifact` the bytes that get installed; `upload` any write; `login` proves or obtains credentials;
 * `other` pings, audits, telemetry, locks. HEAD has the kind of its GET.
 */
export const ARTIFACT_KINDS = ['index', 'metadata', 'artifact', 'upload', 'login', 'search', 'other'] as const

export type ArtifactKind = (typeof ARTIFACT_KINDS)[number]

/** A package as a package URL names it (https://github.com/package-url/purl-spec), its parts decoded and normalised by its type's rules. */
export interface PackageId {
  /** `@babel/core`, `org.apache.commons/commons-lang3`, `debian/curl`: namespace, if there is one, a slash, and name. */
  readonly name: string
  /** '' where method and path do not tell one. */
  readonly version: string
  /** As a package URL writes them, encoded and in order: `arch=amd64`; '' for none. */
  readonly qualifiers: string
}

/** What is known of a request from its method and path. */
export interface Identity {
  readonly kind: ArtifactKind
  /** Null where the request is about no package, or about several. */
  readonly package: PackageId | null
  /** Last segment of the path, decoded, where the request is about a file; else ''. */
  readonly file: string
}

/** A request as its artifacts are told from. */
export interface ArtifactRequest {
  readonly method: string
  /** Below the route's path, as received: starts with '/', without query. */
  readonly path: string
  /** With its '?', or ''. */
  readonly query: string
  /** Where the route's packages come from, see `packageOrigin`: an OCI registry's or git server's host, the vendor of deb packages. */
  readonly origin: string
}
