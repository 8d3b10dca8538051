import { networkOf } from '../../runtime/network-of.ts'

/** Room for connections, of whom nobody knows at first who holds them. */
export type Places = {
  /** Undefined where there is no room, in all or for whoever is there. */
  enter(address: string | undefined): Place | undefined
  /** In all, whoever comes. */
  isFull(): boolean
}

export type Place = {
  /** It has proven a key: from now on it keeps no stranger out. */
  proven(): void
  leave(): void
}

export type PlaceLimits = {
  /** Proven or not. */
  readonly connectionsMax: number
  /** Of those, at one address. */
  readonly perAddressMax: number
  /** Those that have proven nothing yet. */
  readonly strangersMax: number
  readonly strangersPerAddressMax: number
}

/** Whoever opens connections and says nothing takes room from its own address, and never all that there is. */
export function openPlaces(limits: PlaceLimits): Places {
  const all = tally()
  const strangers = tally()
  const isFull = () => all.sum() >= limits.connectionsMax
  return {
    isFull,
    enter(address) {
      const from = networkOf(address)
      if (isFull() || all.of(from) >= limits.perAddressMax) return undefined
      if (strangers.sum() >= limits.strangersMax || strangers.of(from) >= limits.strangersPerAddressMax)
        return undefined
      all.add(from, 1)
      strangers.add(from, 1)
      let [isStranger, isThere] = [true, true]
      const proven = () => {
        if (isStranger) strangers.add(from, -1)
        isStranger = false
      }
      return {
        proven,
        leave() {
          proven()
          if (isThere) all.add(from, -1)
          isThere = false
        },
      }
    },
  }
}

function tally() {
  const counts = new Map<string, number>()
  let sum = 0
  return {
    sum: () => sum,
    of: (name: string) => counts.get(name) ?? 0,
    add(name: string, by: number) {
      const count = (counts.get(name) ?? 0) + by
      if (count === 0) counts.delete(name)
      else counts.set(name, count)
      sum += by
    },
  }
}
