/** Figures in words. All are for English, so that two people who compare screens see the same. */

const EMPTY = '–'

/** A whole number with separators of thousands. */
export function count(n: number): string {
  return n.toLocaleString('en')
}

/** A rate per second; a dash for none known. */
export function perSecond(n: number | null): string {
  if (n === null || Number.isNaN(n)) return EMPTY
  return n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 })
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** A number of bytes in binary units. */
export function bytes(n: number | null): string {
  if (n === null) return EMPTY
  let unit = 0
  let left = n
  while (left >= 1024 && unit < BYTE_UNITS.length - 1) {
    left /= 1024
    unit++
  }
  const digits = unit === 0 || left >= 100 ? 0 : 1
  return `${left.toFixed(digits)} ${BYTE_UNITS[unit] ?? ''}`
}

/** A duration in milliseconds, with the unit that suits it. */
export function duration(ms: number | null): string {
  if (ms === null) return EMPTY
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(1)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

/** A part of a whole in percent; a dash where there is no whole. Little is not nothing: `<0.1%`. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return EMPTY
  const share = (part / whole) * 100
  if (share === 0) return '0%'
  if (share < 0.1) return '<0.1%'
  if (share > 99.9 && share < 100) return '>99.9%'
  return `${share.toFixed(share < 10 ? 1 : 0)}%`
}

/** By how much a figure changed: `+12%`, `−3%`, `same`, `new` where there was nothing before. */
export function changeOf(now: number, before: number): string {
  if (now === before) return 'same'
  if (before === 0) return 'new'
  const share = (now / before - 1) * 100
  const text = Math.abs(share) < 0.5 ? '<1' : count(Math.round(Math.abs(share)))
  return `${share < 0 ? '−' : '+'}${text}%`
}

/** A code of the API as words: `channel_full` → `channel full`. */
export function words(code: string): string {
  return code.replaceAll('_', ' ')
}

/** `1 key`, `2 keys`. */
export function several(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}
