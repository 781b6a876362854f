import { ecosystem } from './kind.ts'

export const integration = ecosystem('', { purlType: '' })
