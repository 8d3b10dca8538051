import { constants, type NodeGCPerformanceDetail, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/**
 * V8 collects the whole heap once it has grown by a share of what lives, and counts buffers outside it as growth. Little
 * lives here and packets are megabytes, so that a process that works hard would mark everything several times a second, for
 * a sixth of all its time. Here a small heap may grow by this much first; a large one is left to V8.
 */
const GROWTH_BYTES = 128 * 1024 * 1024

export function letHeapGrow(): void {
  setGrowth()
  new PerformanceObserver(list => {
    if (list.getEntries().some(isMajor)) setGrowth()
  }).observe({ entryTypes: ['gc'] })
}

function setGrowth(): void {
  const living = getHeapStatistics().used_heap_size
  const percent = living < GROWTH_BYTES ? Math.round((100 * GROWTH_BYTES) / living) : LEFT_TO_V8
  setFlagsFromString(`--heap-growing-percent=${percent}`)
}

const LEFT_TO_V8 = 0

/** What Node's type of an entry does not say: which collection it was of. */
function isMajor(entry: object): boolean {
  const { kind } = Reflect.get(entry, 'detail') as NodeGCPerformanceDetail
  return kind === constants.NODE_PERFORMANCE_GC_MAJOR
}
