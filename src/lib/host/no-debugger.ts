import { close, url } from 'node:inspector'
import { systemClock } from '../time/clock.ts'

/** After this a signal that came while the program was loaded has had its effect. */
const SETTLED_MS = 1000

/**
 * Keeps Node's debugger shut: on SIGUSR1 it would open a port that lets every user of this machine run code in this process. The
 * signal does nothing from now on, and what one that came earlier has opened is closed. A debugger that was asked for, by a
 * flag of Node or NODE_OPTIONS, stays; then the address is told to `tell`.
 */
export function keepDebuggerShut(tell: (address: string) => void = () => {}): void {
  process.on('SIGUSR1', () => {})
  const asked = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((text) =>
    /--inspect|--debug/.test(text),
  )
  if (asked) {
    const address = url()
    if (address !== undefined) tell(address)
    return
  }
  const shut = (): void => {
    if (url() !== undefined) close()
  }
  shut()
  systemClock.later(SETTLED_MS, shut)
}
