import { setFlagsFromString } from 'node:v8'

/**
 * V8 lets a heap grow to between 1.1 and 4 times what lives before it collects all of it, by how fast it sees it grow; and it
 * does not see buffers and long texts come and go, though it counts them. Here packets of a megabyte do, beside a small heap:
 * left to itself it marked everything several times a second, for a sixth of all CPU time. So it is always 4 times.
 */
const GROWTH_PERCENT = 300

export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
