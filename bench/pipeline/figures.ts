/** Every figure of a report that is one number, and where it comes from; docs/performance.md is held together with this. */
export const figureList = {
  offeredPerSecond: { unit: 'events/s', from: 'the schedule: what was due in the measured time' },
  acceptedPerSecond: {
    unit: 'events/s',
    from: 'answers with success that came in the measured time, at the publishers',
  },
  certifiedPerSecond: {
    unit: 'events/s',
    from: '`anchored` messages that came in the measured time, at the client that follows everything',
  },
  systemCpuMicroseconds: {
    unit: 'µs/event',
    from: 'CPU of node, PostgreSQL and agents in the measured time (/proc), over the events certified in it',
  },
  wholeCpuMicroseconds: {
    unit: 'µs/event',
    from: 'the same CPU from before the first scheduled event until all was certified, over all events: also where certifying came later',
  },
  wholePerSecond: {
    unit: 'events/s',
    from: 'all events over the time that this CPU is of: what the machine has room for, where more was offered',
  },
  systemCores: { unit: 'cores', from: 'the same CPU over the measured time' },
  othersCores: {
    unit: 'cores',
    from: 'busy time of all processors (/proc/stat) less that of every process of this run',
  },
  stolenCores: { unit: 'cores', from: 'time that the machine was not given (steal in /proc/stat)' },
  walBytes: {
    unit: 'B/event',
    from: 'pg_current_wal_lsn over the measured time, over the events accepted in it',
  },
  databaseBytes: {
    unit: 'B/event',
    from: 'pg_database_size, from before the first event to after the last was certified, over all events',
  },
  contentBytes: {
    unit: 'B/event',
    from: 'files under the folders of node and agents, from before the first event to the end, over all events',
  },
  nodeMegabytes: { unit: 'MB', from: 'resident memory of the node at the end of the measured time (/proc)' },
  nodeGrowth: {
    unit: 'MB/min',
    from: 'the line through one look a second at the same, by least squares, over the measured time',
  },
  nodeBytesPerEvent: { unit: 'B/event', from: 'that growth over the events accepted in the same time' },
  agentsMegabytes: { unit: 'MB', from: 'resident memory of nine agents together, likewise' },
  agentsGrowth: { unit: 'MB/min', from: 'likewise' },
  postgresMegabytes: {
    unit: 'MB',
    from: 'proportional memory of all processes of PostgreSQL at the end of the measured time (smaps_rollup)',
  },
  postgresGrowth: { unit: 'MB/min', from: 'the same at the beginning and at the end' },
  copyPerSecond: {
    unit: 'events/s',
    from: 'COPY of the same lines into a table without an index, four connections, one transaction per batch, same server, nothing else of this run under way',
  },
  hashingPerSecond: {
    unit: 'events/s',
    from: "SHA-256 once over each event's bytes, per second of one core",
  },
  loopbackPerSecond: {
    unit: 'events/s',
    from: 'the same bodies to a server of node:http that reads them and answers 202, eight connections',
  },
  seedShapePerSecond: {
    unit: 'events/s',
    from: 'one row, one job, one update for each event on the same server, eight connections, nobody to agree with',
  },
  certifiedOverCopy: { unit: '×', from: 'certified a second over copied a second' },
  certifiedOverLoopback: { unit: '×', from: 'certified a second over taken in by bare HTTP a second' },
  certifiedOverSeedShape: {
    unit: '×',
    from: "certified a second over the seed's shape; the schedule bounds what is certified",
  },
  cpuOverCopy: { unit: '×', from: "CPU for each event over PostgreSQL's for each event copied" },
  cpuOverHashing: { unit: '×', from: 'CPU for each event over that of hashing it once' },
  cpuOverLoopback: { unit: '×', from: "CPU for each event over the bare server's" },
  cpuOverSeedShape: {
    unit: '×',
    from: 'CPU for each event over that of the seed’s shape, its program included',
  },
} as const

export type FigureName = keyof typeof figureList
/** Null where it could not be measured here. */
export type Figures = { readonly [Name in FigureName]: number | null }

/** How long after an event was due, by the schedule. */
export const latencyList = {
  ack: 'until its answer was whole at the publisher: it is on disk',
  feed: 'until `received` of it came, at every client that follows its stream by /watch',
  quorum:
    'until enough certifiers had agreed, as the database has it (round_jobs.decided_ms): before the certificate',
  certified: 'until `anchored` of it came, at every such client: its certificate is with the network',
  verified: 'until a client that verifies had it from the client library, held against its proof',
} as const
export type LatencyName = keyof typeof latencyList
