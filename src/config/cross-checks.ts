import { isLoopback } from '../lib/host/loopback.ts'
import { DOCUMENT_KINDS, type Route } from '../model/route.ts'
import { oidcProblems } from './admin/oidc-settings.ts'
import type { Options } from './options.ts'

/** Problems between options that are each valid alone; quotes their names. */
export function crossProblems(o: Options): string[] {
  const problems: string[] = []
  const must = (isMet: boolean, problem: string): void => {
    if (!isMet) problems.push(problem)
  }
  must(
    o['accessLog.flushEntries'] <= o['accessLog.maxBatchEntries'],
    `accessLog.flushEntries (${o['accessLog.flushEntries']}) must not exceed accessLog.maxBatchEntries (${o['accessLog.maxBatchEntries']})`,
  )
  must(
    o['accessLog.maxBatchEntries'] <= o['accessLog.capacityEntries'],
    `accessLog.maxBatchEntries (${o['accessLog.maxBatchEntries']}) must not exceed accessLog.capacityEntries (${o['accessLog.capacityEntries']})`,
  )
  must(
    o['accessLog.maxBatchBytes'] <= o['accessLog.capacityBytes'],
    `accessLog.maxBatchBytes (${o['accessLog.maxBatchBytes']}) must not exceed accessLog.capacityBytes (${o['accessLog.capacityBytes']})`,
  )
  must(
    o['accessLog.backoffMinMs'] <= o['accessLog.backoffMaxMs'],
    `accessLog.backoffMinMs (${o['accessLog.backoffMinMs']}) must not exceed accessLog.backoffMaxMs (${o['accessLog.backoffMaxMs']})`,
  )
  must(
    o['shutdown.acceptMs'] + o['shutdown.drainTimeoutMs'] + o['shutdown.flushTimeoutMs'] <=
      o['shutdown.graceMs'],
    `shutdown.acceptMs (${o['shutdown.acceptMs']}), shutdown.drainTimeoutMs (${o['shutdown.drainTimeoutMs']}) and shutdown.flushTimeoutMs (${o['shutdown.flushTimeoutMs']}) must fit into shutdown.graceMs (${o['shutdown.graceMs']})`,
  )
  must(
    o['spill.maxBytes'] === 0 || o['spill.maxBytes'] >= 2 * o['accessLog.maxBatchBytes'],
    `spill.maxBytes (${o['spill.maxBytes']}) must be 0 or at least twice accessLog.maxBatchBytes (${o['accessLog.maxBatchBytes']})`,
  )
  must(
    !o['accessLog.journal'] || o['spill.maxBytes'] > 0,
    'accessLog.journal needs a spill: spill.maxBytes must not be 0',
  )
  must(
    isLoopback(o['admin.host']) || o['admin.token'] !== '',
    `admin.token is required because admin.host (${o['admin.host']}) is not a loopback address`,
  )
  must(
    !o['listen.proxyProtocol'] || o['proxy.trustedProxies'].length > 0,
    'listen.proxyProtocol needs proxy.trustedProxies: nobody else may say for whom it speaks',
  )
  must(
    o['listen.tls'].length === 0 || !o.publicUrl.startsWith('http:'),
    `publicUrl (${o.publicUrl}) must be https:// with listen.tls, or empty`,
  )
  return [...problems, ...oidcProblems(o)]
}

/** What is probably a mistake in options and routes together, and no reason to refuse. */
export function crossWarnings(o: Options, routes: readonly Route[]): string[] {
  return [...unknownAddressWarnings(o, routes), ...openSecretWarnings(o)]
}

/** A secret that crosses a network for everybody on it to read. */
function openSecretWarnings(o: Options): string[] {
  if (o['traces.endpoint'] === '' || o['traces.authorization'] === '') return []
  const { protocol, hostname } = new URL(o['traces.endpoint'])
  if (protocol !== 'http:' || isLoopback(hostname)) return []
  return [
    `traces.endpoint sends traces.authorization to ${hostname} over plain http, where all that lies between can read it: use https`,
  ]
}

function unknownAddressWarnings(o: Options, routes: readonly Route[]): string[] {
  if (o.publicUrl !== '' || isLoopback(o['listen.host'])) return []
  const warnings = routes
    .filter(({ signature }) => signature?.scheme === 'twilio')
    .map(({ name }) => `publicUrl is empty: nothing that Twilio signs can be verified on the route ${name}`)
  const told = routes.filter(({ kind, rules }) => DOCUMENT_KINDS.has(kind) && rules.rewriteDocuments)
  if (told.length === 0) return warnings
  const names = told.map(({ name }) => name).join(', ')
  return [
    ...warnings,
    `publicUrl is empty: documents of ${names} pass with the upstream's addresses, and clients go around the gateway (rewriteDocuments: false if that is meant)`,
  ]
}
