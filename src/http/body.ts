/** A request's body as it comes. */
export interface BodySource {
  /** Begins: `sink` gets what has come already, and then each piece as it comes. */
  start(sink: BodySink): void
  /** More is welcome after a `write` that returned false. */
  resume(): void
  /** The sink takes nothing any more. */
  stop(): void
}

/** Where a request's body goes. */
export interface BodySink {
  /** The next bytes, which are the sink's from here on: it may free them. False asks to hold back until `resume`. */
  write(bytes: Buffer): boolean
  /** That was all. */
  end(): void
}
