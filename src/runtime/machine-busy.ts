import { cpus } from 'node:os'

/** How much of the machine's cores was in use since it was asked last: 0 to 1. */
export function openMachineBusy(): () => number {
  let before = timesNow()
  return () => {
    const now = timesNow()
    const [all, idle] = [now.all - before.all, now.idle - before.idle]
    // The system counts in steps; asked twice within one, what was seen before still stands as the beginning.
    if (all <= 0) return 0
    before = now
    return 1 - idle / all
  }
}

function timesNow(): { readonly all: number; readonly idle: number } {
  let [all, idle] = [0, 0]
  for (const { times } of cpus()) {
    all += times.user + times.nice + times.sys + times.idle + times.irq
    idle += times.idle
  }
  return { all, idle }
}
