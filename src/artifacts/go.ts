import { ecosystem } from './kind.ts'

export const go = ecosystem('go', { purlType: 'golang' })
