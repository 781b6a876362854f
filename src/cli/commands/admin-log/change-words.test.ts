import t from 'tap'
import type { AdminLogEntry } from '../../../store/admin-log/admin-log.ts'
import { changeWords } from './change-words.ts'

function entry(given: Partial<AdminLogEntry>): AdminLogEntry {
  return {
    seq: 1,
    at: new Date(0),
    actor: 'anna',
    via: 'cli',
    from: 'bastion',
    role: 'waybill',
    action: 'tenant.changed',
    subject: 'tenant:acme',
    name: null,
    tenant: 'acme',
    before: null,
    after: null,
    ...given,
  }
}

const KEY = { subject: 'key:0123456789ab', name: 'ci' } as const

for (const [words, given] of [
  [
    'tenant acme: rate 50:100 → 20:40, concurrency none → 4',
    {
      before: { rate_burst: 100, rate_per_second: 50, max_concurrency: null },
      after: { rate_burst: 40, rate_per_second: 20, max_concurrency: 4 },
    },
  ],
  ['tenant acme: rate 50 → 20', { before: { rate_per_second: 50 }, after: { rate_per_second: 20 } }],
  [
    'tenant acme: rate 50:100 → none',
    { before: { rate_burst: 100, rate_per_second: 50 }, after: { rate_burst: null, rate_per_second: null } },
  ],
  [
    'tenant acme: rate of route npm 5:5 → 6:5, rate of route pip none → 1:2',
    {
      before: { route_rate_limits: { npm: { perSecond: 5, burst: 5 }, go: { perSecond: 1, burst: 1 } } },
      after: {
        route_rate_limits: {
          npm: { perSecond: 6, burst: 5 },
          pip: { perSecond: 1, burst: 2 },
          go: { perSecond: 1, burst: 1 },
        },
      },
    },
  ],
  [
    'tenant acme suspended',
    { action: 'tenant.suspended', before: { state: 'active' }, after: { state: 'suspended' } },
  ],
  [
    'tenant acme created: log policy spill',
    {
      action: 'tenant.created',
      after: {
        slug: 'acme',
        state: 'active',
        rate_per_second: null,
        rate_burst: null,
        log_policy: 'spill',
        route_rate_limits: {},
      },
    },
  ],
  [
    'key 0123456789ab "ci" of acme created: scopes npm:read files:*, expires 2026-12-01T00:00:00Z',
    {
      ...KEY,
      action: 'key.created',
      after: {
        id: '0123456789ab',
        tenant: 'acme',
        name: 'ci',
        scopes: ['npm:read', 'files:*'],
        allow_networks: [],
        expires_at: '2026-12-01T00:00:00+00:00',
      },
    },
  ],
  [
    'key 0123456789ab "ci" of acme revoked',
    {
      ...KEY,
      action: 'key.revoked',
      before: { revoked_at: null },
      after: { revoked_at: '2026-12-01T00:00:00.123456+00:00' },
    },
  ],
  [
    'retention: days 30 → 60, set by command no → yes',
    {
      action: 'retention.changed',
      subject: 'retention',
      tenant: null,
      before: { days: 30, is_explicit: false },
      after: { days: 60, is_explicit: true },
    },
  ],
  [
    'signing key 00ff00ff00ff00ff deleted: signs from 2026-12-01T00:00:00Z',
    {
      action: 'signing-key.deleted',
      subject: 'signing-key:00ff00ff00ff00ff',
      tenant: null,
      before: { kid: '00ff00ff00ff00ff', active_from: '2026-12-01T00:00:00+00:00', retires_at: null },
    },
  ],
  [
    'quarantine 7 of acme dropped',
    {
      action: 'quarantine.dropped',
      subject: 'quarantine:7',
      before: { resolution: null },
      after: { resolution: 'dropped' },
    },
  ],
] as const) {
  t.test(`a line says: ${words}`, async (t) => {
    t.equal(changeWords(entry(given)), words)
  })
}
