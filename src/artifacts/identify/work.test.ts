import { Session, type Profiler } from 'node:inspector'
import t from 'tap'
import { ROUTE_KINDS } from '../../model/route.ts'
import { identify } from '../identify.ts'

/** Methods that may read all of a text in one call. */
const READERS = [
  'indexOf',
  'lastIndexOf',
  'includes',
  'split',
  'toLowerCase',
  'replaceAll',
  'replace',
] as const

/**
 * How much some files of the product do, counted and not timed: executed blocks of their code, and characters that methods of texts
 * looked through for them at most. The same at each run, whatever the machine does meanwhile.
 */
class WorkCounter {
  readonly #session = new Session()
  readonly #folder: string
  #read = 0

  /** Counts in files whose address holds `folder`. */
  constructor(folder: string) {
    this.#folder = folder
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  close(): void {
    this.#session.disconnect()
  }

  /** What a call does. */
  of(work: () => void): number {
    this.#blocks()
    this.#read = 0
    const restore = READERS.map((name) => this.#count(name))
    try {
      work()
    } finally {
      for (const undo of restore) undo()
    }
    return this.#blocks() + this.#read
  }

  #count(name: (typeof READERS)[number]): () => void {
    const original = Reflect.get(String.prototype, name) as (...args: unknown[]) => unknown
    const add = (length: number): void => {
      this.#read += length
    }
    const counting = function counting(this: string, ...args: unknown[]): unknown {
      const found = original.apply(this, args)
      const from = typeof args[1] === 'number' ? args[1] : 0
      const isPlace = name === 'indexOf' && typeof found === 'number' && found >= 0
      add(isPlace ? found - from : Math.max(this.length - from, 0))
      return found
    }
    Reflect.defineProperty(String.prototype, name, { value: counting, configurable: true, writable: true })
    return () => {
      Reflect.defineProperty(String.prototype, name, { value: original, configurable: true, writable: true })
    }
  }

  /** Blocks that ran since the last call. */
  #blocks(): number {
    let count = 0
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      for (const script of result) {
        if (script.url.includes(this.#folder)) count += ranOf(script)
      }
    })
    return count
  }
}

function ranOf({ functions }: Profiler.ScriptCoverage): number {
  let count = 0
  for (const { ranges } of functions) for (const range of ranges) count += range.count
  return count
}

const UNITS = [
  '/',
  'a',
  '-',
  '.',
  '/a',
  '-1',
  '-1.2.3',
  '1.',
  '.1a',
  '/-/',
  '/@a',
  '%2f',
  '%ff',
  '!a',
  'a_',
  '_1.0',
  '/..',
  ';',
  '+a',
  '/-/a/',
]
/** What the paths begin and end with, so that they reach each rule. */
const ENDS: readonly (readonly [string, string])[] = [
  ['/', ''],
  ['/x/-/x-', '.tgz'],
  ['/', '.whl'],
  ['/x/x-', '.tar.gz'],
  ['/', '/x.crate'],
  ['/a.b/', '/@v/v1.zip'],
  ['/v2/', '/manifests/latest'],
  ['/a/b/', '/b-1.0.jar'],
  ['/pool/', '_amd64.deb'],
  ['/x.git/', '/info/refs'],
  ['/releases/', '.zip'],
]
const SHORT = 300
const LONG = 1200

t.test('four times the path is about four times the work', async (t) => {
  const counter = new WorkCounter('/artifacts/')
  t.teardown(() => counter.close())
  for (const kind of ROUTE_KINDS) {
    const route = { kind, upstream: { origin: 'https://upstream.example' } }
    for (const [start, end] of ENDS) {
      const workOf = (length: number): number =>
        counter.of(() => {
          for (const unit of UNITS) {
            identify(route, 'GET', start + unit.repeat(Math.ceil(length / unit.length)) + end)
          }
        })
      const short = workOf(SHORT)
      const long = workOf(LONG)
      t.ok(long < short * 6, `${kind} ${start}…${end}: ${short}, then ${long}`)
    }
  }
})
