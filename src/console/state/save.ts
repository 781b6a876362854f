import { after } from './clock.ts'

/** A browser begins to save at once; then the text may go. */
const KEPT_MS = 60_000

/** Saves a file under this name, as if it had been downloaded. */
export function saveAs(name: string, content: Blob): void {
  const url = URL.createObjectURL(content)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  after(KEPT_MS, () => URL.revokeObjectURL(url))
}
