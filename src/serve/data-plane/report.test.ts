import t from 'tap'
import { createLogger } from '../../logger/logger.ts'
import { AccessEntry } from '../../model/access-entry.ts'
import { reportTo } from './report.ts'

t.test('a line about one request has the ids that its entry is found by, and no other has', async (t) => {
  const lines: Record<string, unknown>[] = []
  const destination = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  }
  const report = reportTo(createLogger({ level: 'info', destination }))
  const entry = Object.assign(new AccessEntry(), {
    requestId: 'r-1',
    traceId: 'a'.repeat(32),
    tenant: 'acme',
  })
  report(new Error('the sink broke'), entry)
  report(new Error('none in hand'))
  const [of, none] = lines
  t.match(of, { trace_id: 'a'.repeat(32), request_id: 'r-1', err: { message: 'the sink broke' } })
  t.notMatch(JSON.stringify(of), 'acme')
  t.notMatch(JSON.stringify(none), /trace_id|request_id/)
})
