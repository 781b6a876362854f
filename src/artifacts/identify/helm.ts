import type { ArtifactRequest, Identity } from '../../model/artifact/identity.ts'
import { decodePercent } from '../../lib/percent.ts'
import { Endings } from './endings.ts'
import {
  about,
  aboutNone,
  charsWith,
  consistsOf,
  isSemver,
  kindBy,
  lastSegment,
  segmentsOf,
} from './paths.ts'
import { startOfVersion } from './paths.ts'

const NAME = charsWith('-._')
const CHARTS = new Endings(['.tgz', '.tar.gz'])
const PROVENANCES = new Endings(['.tgz.prov', '.tar.gz.prov'])
const INDEXES: ReadonlySet<string> = new Set(['index.yaml', 'index.json', 'index-cache.yaml'])
/** Below an API's `charts`: name, version, and a part of that chart. */
const MAX_CALL_SEGMENTS = 3

/** Paths of a chart repository (https://helm.sh/docs/topics/chart_repository) and of the API that ChartMuseum and others add to it. */
export function identifyHelm({ method, path }: ArtifactRequest): Identity {
  const decoded = decodePercent(path)
  const file = lastSegment(decoded)
  const chart = CHARTS.without(file)
  if (chart !== null) return identifyChart(kindBy(method, 'artifact'), chart, file)
  const proven = PROVENANCES.without(file)
  if (proven !== null) return identifyChart(kindBy(method, 'metadata'), proven, file)
  if (INDEXES.has(file)) return aboutNone(kindBy(method, 'index'))
  const api = decoded.indexOf('/api/')
  const charts = api === -1 ? -1 : startOfCharts(decoded)
  return charts === -1 ? aboutNone(kindBy(method, 'other')) : identifyCall(method, decoded.slice(charts))
}

/** A name without a version in it is no chart's: where it would end cannot be told. */
function identifyChart(kind: Identity['kind'], stem: string, file: string): Identity {
  const start = startOfVersion(stem, true)
  const name = stem.slice(0, start - 1)
  return start !== -1 && consistsOf(name, NAME)
    ? about(kind, name, stem.slice(start), file)
    : aboutNone(kind, file)
}

/** Where the path goes on behind `/charts` in `/api/charts/nginx/1.0.0`, `/api/org/repository/charts`; -1 without such a segment. */
function startOfCharts(path: string): number {
  const at = path.indexOf('/charts/')
  if (at !== -1) return at + '/charts'.length
  return path.endsWith('/charts') ? path.length : -1
}

function identifyCall(method: string, rest: string): Identity {
  const [name = '', version = ''] = segmentsOf(rest, MAX_CALL_SEGMENTS) ?? []
  if (name === '') return aboutNone(kindBy(method, 'index'))
  if (!consistsOf(name, NAME)) return aboutNone(kindBy(method, 'other'))
  if (version === '') return about(kindBy(method, 'index'), name)
  const start = version.startsWith('v') ? 1 : 0
  if (!isSemver(version, start)) return aboutNone(kindBy(method, 'other'))
  return about(kindBy(method, 'metadata'), name, version)
}
