import type { Logger } from '../../logger/logger.ts'
import type { Report } from '../../model/access-entry.ts'

/** Writes down what should never happen, with what the entry of its request is found by. */
export function reportTo(logger: Pick<Logger, 'error'>): Report {
  return (error, request) => {
    const ids = request === undefined ? {} : { trace_id: request.traceId, request_id: request.requestId }
    logger.error({ ...ids, err: error }, 'request failed inside the gateway; this is a bug')
  }
}
