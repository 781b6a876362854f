import t from 'tap'
import { zonedDateMs } from './zoned-date.ts'

const MS = 1_732_700_000_000

t.test(
  'a date with a zone is read, and one without is none, as it would depend on where it is read',
  async (t) => {
    for (const text of [
      'Wed, 27 Nov 2024 09:33:20 GMT',
      ' Wednesday, 27-Nov-24 09:33:20 GMT ',
      'Wed, 27 Nov 2024 10:33:20 +0100',
      '2024-11-27T09:33:20Z',
      '2024-11-27T09:33:20.000Z',
      '2024-11-27T04:33:20-05:00',
      '2024-11-27 09:33:20 UTC',
    ])
      t.equal(zonedDateMs(text), MS, text)
    for (const text of [
      'Wed, 27 Nov 2024 09:33:20',
      'Wed Nov 27 09:33:20 2024',
      '2024-11-27T09:33:20',
      '2024-11-27 09:33:20',
      '2024-11-27',
      '10-12-2024',
      '11/27/2024 -0500',
      'Wed, 32 Nov 2024 09:33:20 GMT',
      'GMT',
      '',
      `${' '.repeat(20)}x${'9'.repeat(60)}:00Z`,
    ])
      t.equal(zonedDateMs(text), null, text)
  },
)
