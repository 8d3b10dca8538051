import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'

const SAMPLE_MICROSECONDS = 100

/** Runs `work` under the CPU profiler; milliseconds by stage, the time in which the process slept left out. */
export async function profile<T>(
  work: () => Promise<T>,
): Promise<{ done: T; stages: Record<string, number> }> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROSECONDS })
    await session.post('Profiler.start')
    const done = await work()
    const { profile } = await session.post('Profiler.stop')
    return { done, stages: millisecondsByStage(profile) }
  } finally {
    session.disconnect()
  }
}

function millisecondsByStage({
  nodes,
  samples = [],
  timeDeltas = [],
}: Profiler.Profile): Record<string, number> {
  const stageOf = new Map<number, string>()
  const name = (node: Profiler.ProfileNode, inherited: string) => {
    const stage = stageOfFrame(node.callFrame) ?? inherited
    stageOf.set(node.id, stage)
    for (const child of node.children ?? []) {
      const frame = byId.get(child)
      if (frame !== undefined) name(frame, stage)
    }
  }
  const byId = new Map(nodes.map(node => [node.id, node]))
  const [root] = nodes
  if (root !== undefined) name(root, elsewhere)

  const stages: Record<string, number> = {}
  for (const [i, id] of samples.entries()) {
    const stage = stageOf.get(id) ?? elsewhere
    if (stage !== asleep) stages[stage] = (stages[stage] ?? 0) + (timeDeltas[i] ?? 0) / 1000
  }
  return stages
}

const elsewhere = 'event loop, promises, sockets'
const asleep = 'asleep'

/**
 * A sample belongs to the innermost frame that names a stage, so what several stages use (readers of bytes, hashing)
 * counts for the one that called it.
 */
function stageOfFrame({ functionName, url }: { functionName: string; url: string }): string | undefined {
  const special = specialFrames.get(functionName)
  if (special !== undefined) return special
  return stages.find(([place]) => place.test(url))?.[1]
}

const specialFrames = new Map([
  ['(idle)', asleep],
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'native code, kernel'],
])

const stages: readonly (readonly [place: RegExp, stage: string])[] = [
  [/\/contract\/submitted-beef\./, 'read the BEEF'],
  [/\/adapters\/bsv\/(verify-beef|judge-spend)\./, 'verify scripts, amounts, paths'],
  [/\/contract\/event-batch\./, 'read and verify the token'],
  [/\/@bsv\/(overlay|sdk)\//, 'engine and SDK'],
  [
    /\/adapters\/overlay\/(overlay|submit|judge|engine-host|submission|index-writes)\.|\/adapters\/bsv\/|\/(topic-managers|lookup-services)\/|\/adapters\/indexes\//,
    'judge, around the engine',
  ],
  [/\/adapters\/overlay\/read-known\./, 'what is known: statement and answer'],
  [/\/adapters\/overlay\/(write-admission|run-index-writes)\./, 'what is recorded: statement and answer'],
  [/\/node_modules\/(pg|pg-\w+|postgres-\w+|knex|tarn)\//, 'PostgreSQL driver'],
  // What starting and stopping the profiler takes is nobody's.
  [/\/bench\/submit\/profile\./, asleep],
  [/\/bench\/(submit\/|contender-process)/, 'the benchmark itself'],
]
