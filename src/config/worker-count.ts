import { availableCores } from '../lib/host/cores.ts'
import type { Config } from './config.ts'

/** How many processes serve, as the configuration says. */
export function workerCount({ options }: Config): number {
  return options.workers === 0 ? availableCores() : options.workers
}
