import { choice, integer, milliseconds, type Row } from './option-rows.ts'

const DAY_MS = 86_400_000

/** How tenants and keys are followed and kept: `directory.…`. */
export const DIRECTORY_OPTIONS = {
  'directory.pollIntervalMs': milliseconds(
    500,
    50,
    60_000,
    'How often changes of tenants and keys are looked for; a notification only makes it sooner',
  ),
  'directory.reconcileIntervalMs': integer(
    300_000,
    -1,
    DAY_MS,
    'How often, ±20 %, all tenants and keys are loaded anew, in ms; negative turns it off',
  ),
  'directory.lastUsedIntervalMs': milliseconds(
    60_000,
    100,
    DAY_MS,
    'At most one statement in this time writes last_used_at of all keys',
  ),
  'directory.maxAgeMs': milliseconds(
    DAY_MS,
    1000,
    30 * DAY_MS,
    'So long without the database the gateway goes on by what it knows of tenants and keys; then it answers 503',
  ),

  'directory.diskMaxAgeMs': milliseconds(
    DAY_MS,
    0,
    30 * DAY_MS,
    'A start without the database goes by what stateDir holds of tenants and keys (digests only) if that is no older, nor than directory.maxAgeMs; 0 keeps nothing on disk',
  ),

  'rules.whenUnknown': choice(
    'allow',
    ['allow', 'deny'],
    'What becomes of downloads while no rule was ever known, as in a start without the database and without a snapshot: deny answers them 503',
  ),
} as const satisfies Record<string, Row<unknown>>
