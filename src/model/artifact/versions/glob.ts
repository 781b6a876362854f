/** Whether `text` is `pattern`, in which `*` stands for any characters. Linear: each piece is looked for once, from the left. */
export function matchesGlob(pattern: string, text: string): boolean {
  return globOf(pattern)(text)
}

/** The same for a pattern that is asked often. */
export function globOf(pattern: string): (text: string) => boolean {
  const pieces = pattern.split('*')
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)]
  if (pieces.length === 1) return (text) => pattern === text
  const inner = pieces.slice(1, -1)
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
      return false
    let from = first.length
    for (const piece of inner) {
      const at = text.indexOf(piece, from)
      if (at === -1) return false
      from = at + piece.length
    }
    return from <= text.length - last.length
  }
}
