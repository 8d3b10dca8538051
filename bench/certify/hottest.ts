import { readdir, readFile } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import path from 'node:path'
import * as z from 'zod'

/** Where the time of one kind of process went: functions by the time spent in themselves. */
export type Hottest = {
  readonly program: string
  readonly busyMs: number
  readonly functions: readonly { readonly name: string; readonly place: string; readonly ms: number }[]
}

const SHOWN = 12

/** Reads the profiles that processes have left behind; those of one kind together. */
export async function readHottest(folder: string): Promise<Hottest[]> {
  const byProgram = new Map<string, Map<string, number>>()
  for (const file of (await readdir(folder)).sort()) {
    const program = /^(.*)-\d+\.cpuprofile$/.exec(file)?.[1]
    if (program === undefined) continue
    const times = byProgram.get(program) ?? new Map<string, number>()
    byProgram.set(program, times)
    addTimes(times, profile.parse(JSON.parse(await readFile(path.join(folder, file), 'utf8'))))
  }
  return [...byProgram].map(([program, times]) => ({
    program,
    busyMs: [...times.values()].reduce((sum, ms) => sum + ms, 0),
    functions: [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN)
      .map(([key, ms]) => {
        const [name = '', place = ''] = key.split('\t')
        return { name, place, ms }
      }),
  }))
}

const profile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
})

function addTimes(
  times: Map<string, number>,
  {
    nodes,
    samples,
    timeDeltas,
  }: Pick<Required<Profiler.Profile>, 'samples' | 'timeDeltas'> & z.output<typeof profile>,
): void {
  const keys = new Map(nodes.map(({ id, callFrame }) => [id, keyOf(callFrame)]))
  for (const [i, id] of samples.entries()) {
    const key = keys.get(id)
    if (key === undefined) continue
    times.set(key, (times.get(key) ?? 0) + (timeDeltas[i] ?? 0) / 1000)
  }
}

function keyOf({ functionName, url, lineNumber }: z.output<typeof profile>['nodes'][number]['callFrame']) {
  // Asleep, nobody is busy; and what starting the profiler takes is nobody's.
  if (functionName === '(idle)' || (functionName === 'dispatch' && url === '')) return undefined
  const place = url.replace(/^.*\/(?=(?:src|agents|topic-managers|lookup-services|node_modules)\/)/, '')
  return `${functionName || '(anonymous)'}\t${place === '' ? '' : `${place}:${lineNumber + 1}`}`
}
