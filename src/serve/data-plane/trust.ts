import { isLoopback } from '../../lib/host/loopback.ts'
import type { Options } from '../../config/options.ts'
import { compileNetworks } from '../../model/network.ts'
import type { TrustPolicy } from '../../proxy/headers/client-view.ts'

/** Whom the proxy believes, and how clients reach it, as the options say. */
export function trustOf(o: Options): TrustPolicy {
  const url = o.publicUrl === '' ? null : new URL(o.publicUrl)
  return {
    trustedProxies: compileNetworks(o['proxy.trustedProxies']),
    publicProto: url === null ? null : url.protocol.slice(0, -1),
    publicHost: url === null ? null : url.host,
    publicBase: url === null ? '' : url.pathname.replace(/\/$/, ''),
    isLoopback: isLoopback(o['listen.host']),
    addressField: o['proxy.clientAddressField'],
  }
}
