import type { Config } from '../../../config/config.ts'
import { escapeUnsafe } from '../../output/text.ts'
import type { Io } from '../../output/io.ts'
import type { ControlPlane } from '../plane.ts'
import { ApiClient, type ApiPlace } from './api-client.ts'
import { remoteDirectory } from './remote-directory.ts'
import { remoteLog } from './remote-log.ts'

/** The control plane by the API of a gateway. Throws a CommandError when a file of certificates cannot be read. */
export function remotePlane(io: Io, place: ApiPlace, config: Config): ControlPlane {
  const api = new ApiClient(place)
  const say = (line: string): void => void io.stderr.write(`${escapeUnsafe(line)}\n`)
  return {
    config,
    nowMs: async () => Date.parse((await api.ask<{ now: string }>('GET', '/meta')).now),
    nameSource: () => say(`database: that of ${place.url.origin}`),
    ...remoteDirectory(api),
    ...remoteLog(api, say),
  }
}
