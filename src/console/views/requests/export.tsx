import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { hasToken, messageOf, stream } from '../../api/client.ts'
import { Menu } from '../../parts/menu.tsx'
import { saveAs } from '../../state/save.ts'
import { type Filter, type Range, searchOf } from '../../words/filter.ts'
import { bytes } from '../../words/format.ts'

const FORMATS = [
  ['csv', 'CSV', 'text/csv'],
  ['ndjson', 'NDJSON', 'application/x-ndjson'],
] as const

type Format = (typeof FORMATS)[number]

/** The browser keeps what is fetched until it is whole: beyond, a command is the better way. */
const MAX_BYTES = 1024 ** 3

interface ExportProps {
  readonly filter: Filter
  readonly range: Range
}

/** Every request of this search as a file, however many there are. */
export function Export({ filter, range }: ExportProps) {
  const query = searchOf(filter, range)
  const pathOf = ([format]: Format): string => `/api/v1/entries/export?${query}&format=${format}`
  return (
    <Menu label="Export" className="end">
      {() => (
        <div class="export">
          <p class="hint">Every request of this search, oldest first.</p>
          {FORMATS.map((format) =>
            hasToken() ? (
              <Fetched key={format[0]} format={format} path={pathOf(format)} />
            ) : (
              <a class="button" key={format[0]} href={pathOf(format)} download>
                {format[1]}
              </a>
            ),
          )}
        </div>
      )}
    </Menu>
  )
}

/** A file for who has a token: a link would not send it. */
function Fetched({ format, path }: { readonly format: Format; readonly path: string }) {
  const progress = useSignal<number | null>(null)
  const error = useSignal<string | null>(null)
  const run = useRef<AbortController | null>(null)
  useEffect(() => () => run.current?.abort(), [])
  const fetchAll = async (): Promise<void> => {
    run.current = new AbortController()
    const { signal } = run.current
    progress.value = 0
    error.value = null
    try {
      const text = await readAll(path, signal, (length) => (progress.value = length))
      saveAs(`entries.${format[0]}`, new Blob(text, { type: format[2] }))
    } catch (failure) {
      if (!signal.aborted) error.value = `Nothing was saved. ${messageOf(failure)}`
    }
    progress.value = null
  }
  return (
    <>
      <button
        type="button"
        class="button"
        onClick={() => (progress.value === null ? void fetchAll() : run.current?.abort())}
      >
        {progress.value === null ? format[1] : `Stop at ${bytes(progress.value)}`}
      </button>
      <p role="status" class={error.value === null ? '' : 'failure'}>
        {error.value ?? ''}
      </p>
    </>
  )
}

async function readAll(
  path: string,
  signal: AbortSignal,
  onProgress: (length: number) => void,
): Promise<string[]> {
  const pieces: string[] = []
  let length = 0
  for await (const piece of stream(path, { signal })) {
    pieces.push(piece)
    length += piece.length
    if (length > MAX_BYTES) throw new Error('It is more than 1 GiB: take `waybill logs --format`.')
    onProgress(length)
  }
  return pieces
}
