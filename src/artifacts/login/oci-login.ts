import { BASIC, type Challenge } from './challenge.ts'
import { jsonReply, type OwnAnswer, type OwnAnswers } from './own-answer.ts'
import { repositoryIn } from '../../model/artifact/oci-name.ts'

/** Where every registry's API begins (OCI distribution specification, "API"): clients know no other prefix. */
export const OCI_ROOT = '/v2/'

const VERSION = ['Docker-Distribution-API-Version', 'registry/2.0'] as const

/** "Is this a registry, and are these credentials right?" (specification, end-1). */
const PING: OwnAnswer = {
  by: 'key',
  onPublic: 'answered',
  reply: () => jsonReply(200, {}, VERSION),
}

/** A form of a client has some hundred bytes, and a key in it. */
const TOKEN: OwnAnswer = { by: 'token', maxBytes: 64 * 1024 }

/** One ping for all images of a host: clients ask the host, not the image. */
export const ociLogin: OwnAnswers = {
  root: OCI_ROOT,
  answerTo(method, rest) {
    if (rest === '/') return method === 'GET' || method === 'HEAD' ? PING : null
    return rest === '/token' && (method === 'GET' || method === 'POST') ? TOKEN : null
  },
}

/**
 * Bearer first and Basic second, each in a field of its own: skopeo and podman take the first that they know, containerd and docker read
 * one challenge per field, docker answers all of them and gives up at Basic when it has no credentials; so there is no
 * Basic where a public route is to be had without any (0480).
 */
export const ociChallenge: Challenge = (question) => {
  const { base, hasPublic } = question
  const basic = ['WWW-Authenticate', BASIC]
  if (base === null) return [...VERSION, ...basic]
  const bearer = ['WWW-Authenticate', bearerOf(base, question)]
  return [...VERSION, ...bearer, ...(hasPublic ? [] : basic)]
}

function bearerOf(base: string, { method, path, service, tokenError }: Parameters<Challenge>[0]): string {
  const parts = [`realm="${base}${OCI_ROOT}token"`, `service="${service}"`]
  const repository = repositoryIn(path.slice(OCI_ROOT.length))
  const isRead = method === 'GET' || method === 'HEAD'
  if (repository !== null) parts.push(`scope="repository:${repository}:${isRead ? 'pull' : 'pull,push'}"`)
  if (tokenError !== null) parts.push(`error="${tokenError}"`)
  return `Bearer ${parts.join(',')}`
}
