import { ecosystem } from './kind.ts'

export const apt = ecosystem('apt', { purlType: 'deb' })
