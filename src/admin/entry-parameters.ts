import { KEY_IN_TEXT } from '../model/api-key.ts'
import { ARTIFACT_KINDS } from '../model/artifact/identity.ts'
import { networkProblem, plainNetwork } from '../model/network.ts'
import type { EntryFilter } from '../store/entries/entries.ts'
import {
  METHOD,
  OUTCOME,
  PATH_PREFIX,
  SLUG,
  STATUS,
  timeAt,
  type Parameter,
  type Values,
} from './parameters.ts'

/** Longest name of a package in an entry, in characters: longer ones are not recorded. */
const MAX_PACKAGE = 512

/** A key's public id. A whole key is refused, and not repeated: addresses end up in logs. */
const KEY_ID: Parameter<string> = {
  form: `the id of a key, 12 of a-z and 0-9: in a key, what follows ${KEY_IN_TEXT}; never the key itself`,
  parse: (text) => (/^[0-9a-z]{12}$/.test(text) ? text : null),
}

/** An address or a network; one of IPv4 in IPv6 is taken as IPv4, as which clients are known. */
const NETWORK: Parameter<string> = {
  form: 'an address or a network in CIDR notation, such as 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32',
  parse: (text) => (networkProblem(text) === null ? plainNetwork(text) : null),
}

/** As the gateway sends it to the client (`X-Request-Id`). */
const REQUEST_ID: Parameter<string> = {
  form: 'an X-Request-Id: 1 to 128 letters, digits and . _ : / + = @ -',
  parse: (text) => (/^[\w.:/+=@-]{1,128}$/.test(text) ? text : null),
}

/** A name, not a package URL: that would be the name of no entry, and the answer an empty page. */
const PACKAGE: Parameter<string> = {
  form: `the name of a package such as left-pad, @babel/core or debian/curl, up to ${MAX_PACKAGE} characters; for package URLs and versions there is /api/who`,
  parse: (text) =>
    text !== '' && text.length <= MAX_PACKAGE && !text.includes('\0') && !/^pkg:/i.test(text) ? text : null,
}

const ARTIFACT_KIND: Parameter<(typeof ARTIFACT_KINDS)[number]> = {
  form: `one of ${ARTIFACT_KINDS.join(', ')}`,
  parse: (text) => ARTIFACT_KINDS.find((name) => name === text) ?? null,
}

/** The parameters that restrict entries: the flags of `waybill logs`. */
export function entryParameters(nowMs: number) {
  const time = timeAt(nowMs)
  return {
    tenant: SLUG,
    route: SLUG,
    key: KEY_ID,
    status: STATUS,
    outcome: OUTCOME,
    method: METHOD,
    path: PATH_PREFIX,
    ip: NETWORK,
    requestId: REQUEST_ID,
    package: PACKAGE,
    artifactKind: ARTIFACT_KIND,
    since: time,
    until: time,
  } as const
}

/** The filter that the parameters are. */
export function entryFilterOf(given: Values<ReturnType<typeof entryParameters>>): EntryFilter {
  const { key, path, ip, ...same } = given
  return {
    ...same,
    ...(key === undefined ? {} : { keyId: key }),
    ...(path === undefined ? {} : { pathPrefix: path }),
    ...(ip === undefined ? {} : { clientIp: ip }),
  }
}
