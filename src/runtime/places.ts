export type Places = {
  free(): number
  /** Begins it, unless something of this name is under way. `work` deals with its own failures. */
  begin(name: string, work: () => Promise<void>): void
  /** Resolves once nothing is under way. */
  done(): Promise<void>
}

/** So much at the same time, and the next as soon as one of them ends: what takes long takes no more than its own place. */
export function openPlaces(atOnce: number, onRoom: () => void): Places {
  const underWay = new Map<string, Promise<void>>()
  return {
    free: () => atOnce - underWay.size,
    begin(name, work) {
      if (underWay.has(name)) return
      const done = work().finally(() => {
        const wasFull = underWay.size >= atOnce
        underWay.delete(name)
        if (wasFull) onRoom()
      })
      underWay.set(name, done)
    },
    async done() {
      await Promise.all(underWay.values())
    },
  }
}
