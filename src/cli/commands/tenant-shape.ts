import { SETTING_ROWS } from '../../model/tenant-settings.ts'
import type { Tenant } from '../../store/directory/tenants.ts'
import type { RowShape } from '../output/listing.ts'

const SETTINGS = SETTING_ROWS.map(([name, setting]) => ({
  ...setting,
  cell: (tenant: Tenant): string => setting.print(tenant[name]),
}))

/** How tenants are printed; in JSON as the admin API gives them. */
export const TENANT_SHAPE: RowShape<Tenant> = {
  toOutput: (tenant) => ({ ...tenant }),
  csvColumns: ['slug', 'state', ...SETTING_ROWS.map(([name]) => name), 'version', 'createdAt', 'updatedAt'],
  columns: [
    { title: 'TENANT', cell: (t) => t.slug },
    { title: 'STATE', cell: (t) => t.state },
    // What a narrow terminal goes without stands behind what it shows.
    ...SETTINGS.filter(({ dropOrder }) => dropOrder === undefined),
    ...SETTINGS.filter(({ dropOrder }) => dropOrder !== undefined),
    { title: 'VERSION', isRight: true, cell: (t) => t.version.toString() },
    { title: 'CREATED', dropOrder: 2, cell: (t) => t.createdAt.toISOString() },
  ],
}
