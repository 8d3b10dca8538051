import type { Log } from './log.ts'

export type Stops = {
  /** Runs when the node stops, before everything that was added earlier. */
  add(name: string, stop: () => Promise<unknown>): void
  isServing(): boolean
  /** Stops everything, last added first; what fails to stop is logged and does not keep the rest running. */
  run(): Promise<void>
}

export function openStops(log: Log): Stops {
  const stops: { name: string; stop(): Promise<unknown> }[] = []
  let running: Promise<void> | undefined
  const runAll = async () => {
    for (const { name, stop } of stops.reverse()) {
      try {
        await stop()
      } catch (error) {
        log.error({ err: error, part: name }, 'a part of the node did not stop cleanly')
      }
    }
  }
  return {
    add: (name, stop) => void stops.push({ name, stop }),
    isServing: () => running === undefined,
    run: () => {
      running ??= runAll()
      return running
    },
  }
}
