import { identifyGo } from './identify/go.ts'
import { ecosystem } from './kind.ts'

export const go = ecosystem('go', { purlType: 'golang', identify: identifyGo })
