import type { RequestHead } from '../http/request-head.ts'
import type { ArtifactRequest, Identity } from '../model/artifact/identity.ts'
import type { Access } from '../model/scope.ts'
import type { DocumentRule } from './rewrite/document-rule.ts'
import { aboutManager, insideRepository, type Formats } from './identify/layouts.ts'
import { ScannedPath } from './identify/scanned-path.ts'
import { isCut, isLiteral, literalIdentity, soundIdentity } from './identify/sound.ts'
import { basicOrBearer, type Challenge } from './login/challenge.ts'
import type { OwnAnswers } from './login/own-answer.ts'

/** What Waybill knows of one kind of route. A kind states what sets it apart; `ecosystem` adds the rest. */
export interface Ecosystem {
  /** The entry's `ecosystem`; '' for a kind that is none. */
  readonly name: string
  /** Type of its package URLs; '' for a kind without packages. */
  readonly purlType: string
  /** How a 401 asks for credentials. */
  readonly challenge: Challenge
  /** What the gateway answers itself; null for nothing. */
  readonly own: OwnAnswers | null
  /** How long a request over its rate may be held: well within what its clients wait for a first byte (docs/clients.md). 0 for not at all. */
  readonly holdMs: number
  /** How its client reads why it is refused. Pure; never throws. The reason phrase says it too, whatever the form. */
  refusalForm(request: RefusedRequest): RefusalForm
  /** Where the protocol departs from what HTTP's methods say of reading and writing. */
  readonly access: AccessExceptions
  /** Answers in which clients find addresses; none for a protocol without such. */
  readonly documents: readonly DocumentRule[]
  /** The path with `mask` in place of the secrets that this ecosystem's clients put in paths. Called once for each entry. */
  maskPath(path: string, mask: string): string
  /**
   * What a request is about, from its method and path and nothing else. Pure; never throws; linear in the path's length. Called in the
   * background for each entry. `ecosystem` adds to each kind's own: a path that was cut, or is longer than `MAX_IDENTIFIED_PATH`, is about
   * nothing, and what is no name (control characters, empty segments, halves of surrogate pairs) is left out. So is the folder that a
   * repository manager has in front of the repository's own paths, if it knows the format.
   */
  identify(request: ArtifactRequest): Identity
}

/**
 * `problem` is a problem document (RFC 9457) with what npm, yarn and cargo read; `json` the same for clients that know no type but
 * `application/json`; `text` the sentence alone, for clients that show a body as it is.
 */
export type RefusalForm = 'problem' | 'json' | 'text'

/** A request that the gateway refuses. */
export interface RefusedRequest {
  readonly method: string
  /** The path below the route's, starting with '/'. */
  readonly rest: string
}

/** Requests that do not do what their method says. Neither function may throw. */
export interface AccessExceptions {
  /** Whether the request is part of a write, though its method may read. */
  isWrite(question: AccessQuestion): boolean
  /** What a POST needs. Asked without a query, and for paths that all servers read alike, see `accessOf`. */
  ofPost(question: AccessQuestion): Need
  /** How a body tells what its request needs, where `ofPost` says `by_body`; null where it never does. */
  readonly ofBody: BodyRule | null
}

/** What a request needs: a scope for reading or writing, or the one that its body tells. */
export type Need = Access | 'by_body'

/** What the need is told from. */
export interface AccessQuestion {
  readonly method: string
  /** The path below the route's, starting with '/'. */
  readonly rest: string
  /** With its '?', or ''. */
  readonly query: string
  readonly head: RequestHead
  readonly isUpgrade: boolean
}

/** How a body tells what its request does. */
export interface BodyRule {
  /** A longer body, or one of unknown length, is not waited for, and its request writes. */
  readonly maxBytes: number
  /** Whether the body reads beyond doubt. Never throws. */
  isRead(body: Buffer): boolean
}

/** A protocol in which methods do what HTTP says. */
const NO_EXCEPTIONS: AccessExceptions = { isWrite: () => false, ofPost: () => 'write', ofBody: null }

/** Longest path that is looked at: entries have no longer ones, and those that clients send have a tenth of it. */
export const MAX_IDENTIFIED_PATH = 2048

/** The path that is identified at present, of a kind that reads bytes. */
const PATH = new ScannedPath(MAX_IDENTIFIED_PATH)

/** Of what is about no package. */
export const NOTHING: Identity = { kind: 'other', package: null, file: '' }

/** What sets a kind apart. */
interface OwnTraits {
  /** Default its name. */
  readonly purlType?: string
  readonly challenge?: Challenge
  readonly own?: OwnAnswers
  readonly holdMs?: number
  readonly refusalForm?: Ecosystem['refusalForm']
  readonly access?: Partial<AccessExceptions>
  readonly documents?: Ecosystem['documents']
  readonly maskPath?: Ecosystem['maskPath']
  /** How repository managers call the ecosystem in paths; default none, for one whose paths say all wherever they are. */
  readonly formats?: Formats
  readonly identify?: Ecosystem['identify']
  /** In its place, for a kind that looks at most characters of a path. `path`: the request's, the kind's own until it returns. */
  readonly identifyBytes?: (request: ArtifactRequest, path: ScannedPath) => Identity
}

/** Makes a kind of what sets it apart. */
export function ecosystem(name: string, own: OwnTraits = {}): Ecosystem {
  const { access = {}, formats = null, identify = () => NOTHING, identifyBytes } = own
  return {
    name,
    purlType: own.purlType ?? name,
    challenge: own.challenge ?? basicOrBearer,
    own: own.own ?? null,
    holdMs: own.holdMs ?? 0,
    refusalForm: own.refusalForm ?? (() => 'problem'),
    access: { ...NO_EXCEPTIONS, ...access },
    documents: own.documents ?? [],
    maskPath: own.maskPath ?? ((path) => path),
    identify: identifyBytes === undefined ? byText(identify, formats) : byBytes(identifyBytes, formats),
  }
}

function byText(identify: Ecosystem['identify'], formats: Formats | null): Ecosystem['identify'] {
  return (request) => {
    const { path, query } = request
    if (path.length > MAX_IDENTIFIED_PATH) return NOTHING
    const isPlain = isLiteral(path) && (query === '' || isLiteral(query))
    if (!isPlain && isCut(path)) return NOTHING
    const inside = formats === null ? request : insideRepository(request, formats)
    if (inside === null) return aboutManager(request.method)
    return isPlain ? literalIdentity(identify(inside)) : soundIdentity(identify(inside))
  }
}

/** As `byText`. */
function byBytes(
  identify: NonNullable<OwnTraits['identifyBytes']>,
  formats: Formats | null,
): Ecosystem['identify'] {
  return (request) => {
    const { path, query } = request
    if (path.length > MAX_IDENTIFIED_PATH) return NOTHING
    PATH.read(path)
    const isPlain = PATH.isLiteral && (query === '' || isLiteral(query))
    if (!isPlain && isCut(path)) return NOTHING
    const inside = formats === null ? request : insideRepository(request, formats)
    if (inside === null) return aboutManager(request.method)
    if (inside !== request) PATH.read(inside.path)
    return isPlain ? literalIdentity(identify(inside, PATH)) : soundIdentity(identify(inside, PATH))
  }
}

/** The media type of Content-Type (RFC 9110 §8.3.1) without parameters, in lower case; '' for none. */
export function mediaTypeOf({ contentType }: RequestHead): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
