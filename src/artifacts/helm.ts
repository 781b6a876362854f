import { identifyHelm } from './identify/helm.ts'
import { ecosystem } from './kind.ts'

export const helm = ecosystem('helm', { formats: ['helm'], identify: identifyHelm })
