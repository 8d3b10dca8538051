import { type Choices, choicesFrom } from '../core/rounds/simulator/choices.ts'
import type { Drawn, Trouble } from './trouble.ts'

/** What happens in a run, all of it known before it begins: the same for the same seed. */
export type Plan = {
  readonly seed: number
  readonly seconds: number
  /** Of each publisher, in the mean. */
  readonly perSecond: number
  /** In the order in which they begin. */
  readonly troubles: readonly Planned[]
}

export type Planned = Drawn & {
  readonly trouble: string
  /** Of a lane one happens after the other. */
  readonly lane: number
  /** Where those before it take no longer than they are meant to; later where they do. */
  readonly atMs: number
  readonly forMs: number
}

/** Troubles that go on at the same time. */
const LANES = 2
/** Between two of a lane. */
const LULL_MS = { min: 300, max: 2_500 }
/** What has just been undone recovers before it is met again. */
const REST_MS = 1_500
const REDRAWN_MAX = 20
const FIRST_MS = 1_000

export function makePlan(options: {
  readonly seed: number
  readonly seconds: number
  readonly perSecond: number
  readonly troubles: readonly Trouble[]
}): Plan {
  const { seed, seconds, perSecond, troubles } = options
  const choices = choicesFrom(seed)
  const planned: Planned[] = []
  for (let lane = 0; lane < LANES; lane++) {
    let atMs = FIRST_MS + choices.pick(LULL_MS.max)
    while (atMs < seconds * 1_000) {
      const drawn = draw({ lane, atMs }, troubles, planned, choices)
      if (drawn !== undefined) planned.push(drawn)
      atMs += (drawn?.forMs ?? 0) + LULL_MS.min + choices.pick(LULL_MS.max - LULL_MS.min)
    }
  }
  return { seed, seconds, perSecond, troubles: planned.sort((a, b) => a.atMs - b.atMs) }
}

/** One that leaves alone whatever something else is being done to. */
function draw(
  { lane, atMs }: Pick<Planned, 'lane' | 'atMs'>,
  troubles: readonly Trouble[],
  planned: readonly Planned[],
  choices: Choices,
): Planned | undefined {
  for (let n = 0; n < REDRAWN_MAX; n++) {
    const trouble = troubles[choices.pick(troubles.length)]
    if (trouble === undefined) return undefined
    const forMs = trouble.ms.min + choices.pick(trouble.ms.max - trouble.ms.min)
    const drawn = trouble.draw(choices)
    const isFree = planned.every(
      other =>
        other.atMs > atMs + forMs + REST_MS ||
        other.atMs + other.forMs + REST_MS < atMs ||
        !other.touches.some(what => drawn.touches.includes(what)),
    )
    if (isFree) return { trouble: trouble.name, lane, atMs, forMs, ...drawn }
  }
  return undefined
}
