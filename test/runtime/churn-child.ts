import { constants, type NodeGCPerformanceDetail, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { letHeapGrow } from '../../src/runtime/let-heap-grow.ts'

// Makes garbage that has lived for a moment, beside little that stays, and prints how often V8 collected all of it.
let collections = 0
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    const { kind } = Reflect.get(entry, 'detail') as NodeGCPerformanceDetail
    if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++
  }
}).observe({ entryTypes: ['gc'] })
if (process.argv[2] === 'grow') letHeapGrow()

// Before the first collection V8 has no measure of what lives.
globalThis.gc?.()
await sleep(20)
collections = 0
const living: object[] = []
for (let i = 0; i < 300; i++) {
  living.push(Array.from({ length: 20_000 }, (_, k) => ({ i, k })))
  if (living.length > 8) living.shift()
  await sleep(0)
}
await sleep(20)
process.stdout.write(`${collections}`)
