import { ecosystem } from './kind.ts'

export const generic = ecosystem('generic')
