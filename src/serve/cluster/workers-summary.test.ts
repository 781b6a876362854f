import t from 'tap'
import { startTestWorkers, testWorkers, type TestChild } from '../../test/workers.ts'
import type { WorkerReport } from './messages.ts'
import { WorkersSummary } from './workers-summary.ts'
import type { Workers } from './workers.ts'

const READY = { name: 'waybill_ready', type: 'gauge', help: 'h', merge: 'max' } as const

function summaryOf(workers: Workers, state = 'ready'): WorkersSummary {
  return new WorkersSummary({
    workers,
    state: () => state,
    gatewayVitals: () => ({ audit: null, figures: null, events: null }),
    tenantLabels: 0,
    droppedLogLines: () => 0,
    identity: { version: '1.2.3', instance: 'i' },
  })
}

/** Has a worker answer: that it is ready, or is not, and of its metrics that it is ready always. */
function answer(child: TestChild, isReady: boolean): void {
  child.onTold = (message) => {
    if (message.type === 'report') {
      const readiness = { ready: isReady, reasons: [], warnings: [] }
      // Nothing else of a report is looked at here.
      const report = { readiness } as unknown as WorkerReport
      child.say({ type: 'report', id: message.id, report })
    }
    if (message.type === 'metrics') {
      const { id } = message
      child.say({ type: 'metrics', id, family: { ...READY, values: [{ value: 1, labels: {} }] } })
      child.say({ type: 'metrics_end', id })
    }
  }
}

async function toldReady(summary: WorkersSummary): Promise<string[]> {
  const { body } = await summary.metrics()
  return body.split('\n').filter((line) => line.startsWith('waybill_ready'))
}

t.test('a gateway of workers is ready by what its own /readyz says', async (t) => {
  const { workers, children } = await startTestWorkers(2)
  for (const child of children) answer(child, true)
  t.strictSame(await toldReady(summaryOf(workers)), ['waybill_ready 1'])
  t.strictSame(await toldReady(summaryOf(workers, 'draining')), ['waybill_ready 0'])
  for (const child of children) answer(child, false)
  t.strictSame(await toldReady(summaryOf(workers)), ['waybill_ready 0'], 'whatever a worker told of itself')
})

t.test('workers that have fallen silent leave the gateway not ready, and it is told', async (t) => {
  const { workers, children } = await startTestWorkers(1)
  const summary = summaryOf(workers)
  for (const child of children) answer(child, true)
  t.strictSame(await toldReady(summary), ['waybill_ready 1'])
  for (const child of children) child.onTold = () => {}
  t.strictSame(await toldReady(summary), ['waybill_ready 0'], 'what they told last is not shown')
})

t.test('a gateway that has no worker at the moment tells that it is not ready', async (t) => {
  const { workers } = testWorkers(0)
  t.strictSame(await toldReady(summaryOf(workers)), ['waybill_ready 0'])
})
