import type { Completeness } from '../../api/completeness.ts'
import { Panel } from '../../parts/page.tsx'
import { hourCell, tenantsOf } from './cell.ts'
import { Cells } from './cells.tsx'

const HOURS = Array.from({ length: 24 }, (_, i) => String(i).padStart(2, '0'))
/** Tenants drawn of a day. */
const MAX_TENANTS = 20

interface HoursProps {
  readonly day: string
  readonly hours: Completeness
  /** `07`; '' for the whole day. */
  readonly chosen: string
  readonly onChoose: (hour: string) => void
}

/** The hours of a day, in UTC: across, tenants down. */
export function Hours({ day, hours, chosen, onChoose }: HoursProps) {
  return (
    <Panel title={`Hours of ${day}`} hint="UTC. Choose one for its own proof; choose it again for the day's.">
      <Cells
        label="Hours"
        columns={HOURS.map((hour) => ({ id: hour, label: `${hour}:00 to ${hour}:59`, head: hour }))}
        tenants={tenantsOf([hours])}
        maxTenants={MAX_TENANTS}
        moreTenants={hours.moreTenants}
        cellAt={(tenant, i) => hourCell(hours, tenant, i)}
        chosen={chosen}
        onChoose={(hour) => onChoose(hour === chosen ? '' : hour)}
      />
    </Panel>
  )
}
