import t from 'tap'
import { formatFor } from './exposition-format.ts'

t.test('OpenMetrics is for who names it, and the text format for all others', async (t) => {
  const cases = [
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8', 'openmetrics'],
    // Prometheus 2 and 3, by default.
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
      'openmetrics',
    ],
    ['application/openmetrics-text;version=0.0.1,text/plain;q=0.5', 'text'],
    ['application/openmetrics-text;q=0.3,text/plain;q=0.5', 'text'],
    ['text/plain;q=0.3,application/openmetrics-text;q=0.5', 'openmetrics'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=much', 'text'],
    ['application/*', 'text'],
    [',;,=,;q', 'text'],
  ] as const
  for (const [accept, format] of cases) t.equal(formatFor(accept), format, accept)
})
