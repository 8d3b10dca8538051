/** What `npm run bench` without a name is told; docs/performance.md lists them, and a test compares. */
export const pipelineOptions = {
  rate: whole(1, 1_000_000, '5000', '300', 'events a second that are sent, whatever is answered'),
  batch: whole(1, 1_000, '100', '20', 'events in one request'),
  seconds: whole(1, 86_400, '60', '8', 'how long it is measured'),
  'warm-seconds': whole(1, 3_600, '15', '4', 'how long the same load runs before, which no figure is of'),
  'wait-seconds': whole(
    1,
    3_600,
    '120',
    '120',
    'how long what was taken in may need, afterwards, to be certified and told of',
  ),
  streams: whole(1, 1_000, '10', '2', 'streams, each with a source of its own'),
  clients: whole(
    1,
    10_000,
    '100',
    '6',
    'live clients that only read: the first follows all streams, the others one each',
  ),
  verifying: whole(0, 1_000, '2', '2', 'live clients beside them that verify each proof, of one stream each'),
  'limit-seconds': whole(1, 600, '4', '1', 'how long each limit is measured'),
  'fan-out': {
    values: ['all', 'quorum-first'],
    full: 'all',
    quick: 'all',
    about: 'the setting EVENT_FAN_OUT: whether all agents work on each packet, or as many as must agree',
  },
} as const

export type PipelineOptions = {
  readonly [Name in keyof typeof pipelineOptions]: Name extends 'fan-out' ? string : number
}

type Whole = {
  readonly min: number
  readonly max: number
  readonly full: string
  readonly quick: string
  readonly about: string
}

function whole(min: number, max: number, full: string, quick: string, about: string): Whole {
  return { min, max, full, quick, about }
}

/** A sentence where one of them is not to be had. */
export function readPipelineOptions(
  given: Readonly<Record<string, unknown>>,
  isQuick: boolean,
): PipelineOptions | string {
  const read: Record<string, string | number> = {}
  for (const [name, option] of Object.entries(pipelineOptions)) {
    const text = String(given[name] ?? (isQuick ? option.quick : option.full))
    if ('values' in option) {
      if (!option.values.some(value => value === text))
        return `--${name} is ${option.values.join(' or ')}, and "${text}" is neither.`
      read[name] = text
      continue
    }
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= option.min && number <= option.max))
      return `--${name} takes a whole number from ${option.min} to ${option.max}, and "${text}" is none.`
    read[name] = number
  }
  return read as PipelineOptions
}
