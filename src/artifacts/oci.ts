import { ecosystem } from './kind.ts'

export const oci = ecosystem('oci')
