import { Channel } from '../channel/channel.ts'
import { AccessEntry } from '../model/access-entry.ts'

const TENANTS = 50

/** For benches: a channel that is as full as it is told to be. */
export class ToldChannel extends Channel {
  toldFill = 0

  override get fill(): number {
    return this.toldFill
  }
}

/** For benches: an entry as a busy npm repository makes them; `i` varies it. */
export function benchEntry(i: number): AccessEntry {
  const entry = new AccessEntry()
  entry.startedAtMs = Date.now() - 2000 + Math.floor(i / 100)
  entry.tenant = `tenant-${i % TENANTS}`
  entry.keyId = 'k7m2p9q4x1'
  entry.route = 'npm'
  entry.kind = 'npm'
  entry.method = 'GET'
  entry.host = 'artifacts.example.com'
  entry.path = `/npm/@scope/package-${i % 1000}/-/package-${i % 1000}-1.${i % 20}.0.tgz`
  entry.status = 200
  entry.outcome = 'forwarded'
  entry.bytesSent = 1024 + i
  entry.durationUs = 1500 + (i % 977)
  entry.upstreamUs = 1200
  entry.upstream = 'repo.example.com:443'
  entry.clientIp = `10.1.${(i >> 8) & 255}.${i & 255}`
  entry.userAgent = 'npm/10.8.2 node/v20.20.2 linux x64 workspaces/false ci/github-actions'
  entry.requestId = `req-${i.toString(36)}`
  entry.traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  entry.ecosystem = 'npm'
  entry.package = `@scope/package-${i % 1000}`
  entry.version = `1.${i % 20}.0`
  return entry
}
