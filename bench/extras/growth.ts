/** What was measured on one machine, by the scenario `workers` and as docs/scaling.md says. CPU in µs. */
interface Constants {
  /** CPU of a worker for one request over a kept connection. */
  readonly perRequestUs: number
  /** CPU of PostgreSQL for an entry in a batch, its roll-up included, and for one look at the directory. */
  readonly perEntryUs: number
  readonly perPollUs: number
  /** CPU of either side for one message between primary and worker. */
  readonly perMessageUs: number
}

/** The machine of docs/scaling.md, busy with other things: two cores, Node 20. A request's cost is measured anew by each run. */
export const MEASURED: Omit<Constants, 'perRequestUs'> = {
  perEntryUs: 6.1 + 3.5,
  perPollUs: 808,
  perMessageUs: 40,
}

/** What never changes with the machine. */
const NEWS_PER_SECOND = 50
const POLLS_PER_SECOND = 2
/** COPY, directory, control (up to 4; 1 while nothing is written but the instance row). */
const CONNECTIONS_PER_WORKER = 3
/** Control, reader, roll-ups. */
const CONNECTIONS_PER_PRIMARY = 3

/** What a number of gateways with a number of cores each need and give. */
interface Growth {
  readonly gateways: number
  readonly cores: number
  readonly requestsPerSecond: number
  /** Share of one core that the primary uses. */
  readonly primaryCores: number
  readonly postgresCoresForEntries: number
  readonly postgresCoresForPolls: number
  readonly postgresConnections: number
}

/**
 * Requests over kept connections with every worker busy, one core each; the primary's messages are taken from the last core. Of
 * limits only: a message from each worker and one to each, 20 ms apart, as when all run short.
 */
function growth(gateways: number, cores: number, constants: Constants): Growth {
  const workers = cores
  const primaryCores = workers === 1 ? 0 : (2 * workers * NEWS_PER_SECOND * constants.perMessageUs) / 1e6
  const newsPerWorker = workers === 1 ? 0 : (2 * NEWS_PER_SECOND * constants.perMessageUs) / 1e6
  const busyCores = workers * (1 - newsPerWorker) - primaryCores
  const requestsPerSecond = (gateways * busyCores * 1e6) / constants.perRequestUs
  return {
    gateways,
    cores,
    requestsPerSecond,
    primaryCores,
    postgresCoresForEntries: (requestsPerSecond * constants.perEntryUs) / 1e6,
    postgresCoresForPolls: (gateways * workers * POLLS_PER_SECOND * constants.perPollUs) / 1e6,
    postgresConnections:
      gateways * (workers === 1 ? 6 : workers * CONNECTIONS_PER_WORKER + CONNECTIONS_PER_PRIMARY),
  }
}

/** The table of docs/scaling.md. */
export function growthTable(constants: Constants): string {
  const rows = [
    [1, 1],
    [1, 2],
    [1, 8],
    [1, 64],
    [10, 8],
    [100, 8],
    [100, 64],
  ].map(([gateways = 1, cores = 1]) => growth(gateways, cores, constants))
  const one = rows[0]?.requestsPerSecond ?? 1
  const lines = rows.map((row) => {
    const cells = [
      row.gateways,
      row.cores,
      Math.round(row.requestsPerSecond / 100) * 100,
      (row.requestsPerSecond / one).toFixed(1),
      row.primaryCores.toFixed(2),
      row.postgresCoresForEntries.toFixed(2),
      row.postgresCoresForPolls.toFixed(2),
      row.postgresConnections,
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| gateways | cores each | requests/s | times one core | cores of a primary | PostgreSQL: cores for entries | … for directory polls | connections |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}
