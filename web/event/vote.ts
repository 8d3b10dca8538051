import type { Seat, TracedStage } from './trace-shape.ts'

/** What one agent has said, in words; from its answers and from what the coordinator noted of it. */
export type Vote = {
  readonly said: string
  readonly tone: 'good' | 'warn' | 'bad' | 'quiet'
  readonly leaf: string | null
  readonly tookMs: number | null
}

export function voteOf(seat: Seat, stage: Pick<TracedStage, 'leaf' | 'status'>): Vote {
  const counted = seat.results.find(({ agrees }) => agrees)
  const first = counted ?? seat.results[0]
  if (first === undefined) return { ...silence(seat, stage), leaf: null, tookMs: null }
  const said = { leaf: first.leaf, tookMs: first.processingMs }
  if (seat.results.some(({ leaf }) => leaf !== first.leaf))
    return { said: 'gave two different answers', tone: 'bad', ...said }
  if (counted !== undefined) return { said: 'agreed', tone: 'good', ...said }
  if (first.status !== 'completed') return { said: `answered: ${first.status}`, tone: 'bad', ...said }
  if (first.leaf === null) return { said: 'said nothing about this packet', tone: 'warn', ...said }
  if (stage.leaf === null) return { said: 'answered, nothing is agreed yet', tone: 'quiet', ...said }
  if (first.leaf === stage.leaf)
    return { said: 'said the same, after the others had agreed', tone: 'quiet', ...said }
  return { said: 'said something else', tone: 'bad', ...said }
}

function silence(
  { conduct, offeredMs }: Seat,
  { status }: Pick<TracedStage, 'status'>,
): Pick<Vote, 'said' | 'tone'> {
  if (offeredMs === null) return { said: 'was not asked yet', tone: 'quiet' }
  if (conduct === 'silent') return { said: 'did not answer in time', tone: 'bad' }
  if (status === 'agreed') return { said: 'the others had agreed before it answered', tone: 'quiet' }
  return { said: 'has not answered yet', tone: 'quiet' }
}
