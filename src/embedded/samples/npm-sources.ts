/** One version of a sample package, before packing. */
export interface SampleVersion {
  version: string
  /** ISO 8601, UTC. */
  publishedAt: string
  /** Text of `index.js`. */
  code: string
}

/** A sample package, before packing. */
export interface SamplePackage {
  name: string
  description: string
  distTags: Readonly<Record<string, string>>
  dependencies?: Readonly<Record<string, string>>
  /** Name of the command that runs `index.js`. */
  bin?: string
  versions: readonly SampleVersion[]
}

const plainColors = `'use strict'
const useColor = process.stdout.isTTY === true && !process.env.NO_COLOR
const paint = (open) => (text) => (useColor ? '\\u001b[' + open + 'm' + text + '\\u001b[0m' : String(text))
exports.bold = paint(1)
exports.green = paint(32)
`

const moreColors = `${plainColors}exports.dim = paint(2)
exports.cyan = paint(36)
`

const padStart = `'use strict'
exports.padStart = (text, width) => String(text).padStart(width)
`

const padBoth = `${padStart}exports.padEnd = (text, width) => String(text).padEnd(width)
`

const helloLine = `#!/usr/bin/env node
'use strict'
const { green } = require('@waybill/colors')
const { version } = require('./package.json')
console.log(green('Hello from waybill-hello ' + version + ', delivered through your gateway.'))
`

const helloSlip = `#!/usr/bin/env node
'use strict'
const { bold, green } = require('@waybill/colors')
const { padEnd } = require('waybill-pad')
const lines = ['waybill-hello', '@waybill/colors', 'waybill-pad'].map(
  (name) => padEnd(name, 18) + require(name + '/package.json').version,
)
const width = 44
const rule = '+' + '-'.repeat(width + 2) + '+'
const row = (text, paint) => '| ' + paint(padEnd(text, width)) + ' |'
console.log(rule)
console.log(row('WAYBILL: delivered through your gateway', bold))
for (const line of lines) console.log(row('  ' + line, String))
console.log(row('Signed for. Every request has its entry.', green))
console.log(rule)
`

/** What the sample registry has: a package to install, and a scoped and an unscoped one that it depends on. */
export const samplePackages: readonly SamplePackage[] = [
  {
    name: '@waybill/colors',
    description: 'Colours for a terminal, none elsewhere',
    distTags: { latest: '1.1.0', next: '2.0.0-beta.1' },
    versions: [
      { version: '1.0.0', publishedAt: '2026-01-05T09:00:00.000Z', code: plainColors },
      { version: '1.1.0', publishedAt: '2026-01-19T09:00:00.000Z', code: moreColors },
      { version: '2.0.0-beta.1', publishedAt: '2026-02-02T09:00:00.000Z', code: moreColors },
    ],
  },
  {
    name: 'waybill-pad',
    description: 'Pads text to a width',
    distTags: { latest: '1.1.0' },
    versions: [
      { version: '1.0.0', publishedAt: '2026-01-06T09:00:00.000Z', code: padStart },
      { version: '1.1.0', publishedAt: '2026-01-20T09:00:00.000Z', code: padBoth },
    ],
  },
  {
    name: 'waybill-hello',
    description: 'Prints the waybill of its own delivery',
    distTags: { latest: '1.2.0' },
    dependencies: { '@waybill/colors': '^1.0.0', 'waybill-pad': '^1.1.0' },
    bin: 'waybill-hello',
    versions: [
      { version: '1.0.0', publishedAt: '2026-01-07T09:00:00.000Z', code: helloLine },
      { version: '1.1.0', publishedAt: '2026-01-21T09:00:00.000Z', code: helloLine },
      { version: '1.2.0', publishedAt: '2026-02-04T09:00:00.000Z', code: helloSlip },
    ],
  },
]
