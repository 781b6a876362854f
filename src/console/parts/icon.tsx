const PATHS = {
  overview: 'M3 3h5v6H3zM10 3h5v3h-5zM10 8h5v7h-5zM3 11h5v4H3z',
  requests: 'M3 4.5h12M3 9h12M3 13.5h8',
  tail: 'M2.5 9h3l2-5 3 10 2-5h3',
  deliveries: 'M2.500 4.500h13v9h-13zM2.500 5l6.500 5 6.500-5',
  packages: 'M9 2.5l6 3v7l-6 3-6-3v-7zM3 5.5l6 3 6-3M9 8.5v7',
  completeness: 'M3 4h12v11H3zM3 7.5h12M6.5 2.5v3M11.5 2.5v3M6.3 11.2l1.8 1.8 3.4-3.4',
  tenants:
    'M6.5 8a2.5 2.5 0 100-5 2.5 2.5 0 000 5zM2 15c0-2.8 2-4.5 4.500-4.5S11 12.200 11 15M12 8a2 2 0 100-4M13 10.600c1.900.4 3 1.900 3 4.400',
  keys: 'M6 12.500a3.500 3.500 0 110-7 3.500 3.500 0 010 7zM9.500 9H16M13.500 9v3M16 9v2',
  system: 'M3 3.500h12v4H3zM3 10.500h12v4H3zM5.500 5.500h.010M5.500 12.500h.010',
  close: 'M4 4l10 10M14 4L4 14',
  copy: 'M6.500 6.500h8v8h-8zM11.500 6.500v-3h-8v8h3',
  menu: 'M3 5h12M3 9h12M3 13h12',
  pause: 'M6 4v10M12 4v10',
  play: 'M5 3.500l9 5.500-9 5.500z',
  plus: 'M9 3.500v11M3.500 9h11',
  sun: 'M9 12a3 3 0 100-6 3 3 0 000 6zM9 2v1.500M9 14.500V16M2 9h1.500M14.500 9H16M4 4l1 1M13 13l1 1M4 14l1-1M13 5l1-1',
  clock: 'M9 15.500a6.500 6.500 0 100-13 6.500 6.500 0 000 13zM9 5v4l2.500 2',
  out: 'M7 3H3.500v12H7M11 5.500L14.500 9 11 12.500M14.500 9H7',
} as const

export type IconName = keyof typeof PATHS

/** A small picture beside words, which say the same. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 18 18" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}
