/** An event of a stream (HTML standard, §9.2). */
export interface ServerEvent {
  readonly event: string
  readonly data: string
}

/** Reads events of a text that comes in pieces. */
export class ServerEvents {
  /** With which one comes again; '' before there is one. */
  lastId = ''
  #rest = ''
  #event = ''
  #data: string[] = []

  /** The events that end within this piece, in order. */
  push(text: string): readonly ServerEvent[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    const events: ServerEvent[] = []
    for (const line of lines) {
      const event = this.#take(line.endsWith('\r') ? line.slice(0, -1) : line)
      if (event !== null) events.push(event)
    }
    return events
  }

  #take(line: string): ServerEvent | null {
    if (line === '') return this.#end()
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'id') this.lastId = value
    else if (name === 'event') this.#event = value
    else if (name === 'data') this.#data.push(value)
    return null
  }

  /** What has no data is no event, though its id counts. */
  #end(): ServerEvent | null {
    const event = this.#data.length === 0 ? null : { event: this.#event, data: this.#data.join('\n') }
    this.#event = ''
    this.#data = []
    return event
  }
}
