import type { Config } from '../../../config/config.ts'
import { escapeUnsafe } from '../../output/text.ts'
import type { Io } from '../../output/io.ts'
import type { OpenApi } from '../open-plane.ts'
import type { ControlPlane } from '../plane.ts'
import { ApiClient, type ApiPlace } from './api-client.ts'
import { remoteDeliveries } from './remote-deliveries.ts'
import { remoteDirectory } from './remote-directory.ts'
import { remoteLog } from './remote-log.ts'
import { remoteUpkeep } from './remote-upkeep.ts'

/** A connection that is silent for so long has failed, though a query may take less. */
const MIN_SILENCE_MS = 60_000
/** What an answer takes besides its query: a gateway waits so much longer than its `database.statementTimeoutMs` for one. */
const BESIDES_MS = 30_000

/** The control plane by the API of a gateway. Throws a CommandError when a file of certificates cannot be read. */
export function openRemote(io: Io, place: ApiPlace, config: Config): OpenApi {
  const silenceMs = Math.max(MIN_SILENCE_MS, config.options['database.statementTimeoutMs'] + BESIDES_MS)
  const api = new ApiClient(place, silenceMs)
  const say = (line: string): void => void io.stderr.write(`${escapeUnsafe(line)}\n`)
  const name = `that of ${place.url.origin}`
  const plane: ControlPlane = {
    config,
    nowMs: async () => Date.parse((await api.ask<{ now: string }>('GET', '/clock')).now),
    nameSource: () => say(`database: ${name}`),
    ...remoteDirectory(api),
    ...remoteLog(api, say),
    ...remoteUpkeep(api),
    ...remoteDeliveries(api),
  }
  return { api, plane, name }
}
