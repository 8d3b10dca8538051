import { isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Room for connections, of whom nobody knows at first who holds them. */
export type Places = {
  /** Undefined where there is no room, in all or for whoever is there. */
  enter(address: string | undefined): Place | undefined
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
  return {
    enter(address) {
      const from = address === undefined ? 'unknown' : networkOf(address)
      if (all.sum() >= limits.connectionsMax || all.of(from) >= limits.perAddressMax) return undefined
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

/** One subscriber of a provider has as many addresses of version 6 as it likes, in one network of 64 bits. */
function networkOf(address: string): string {
  const [bare = ''] = address.split('%')
  if (!isIPv6(bare)) return bare
  const plain = ipaddr.process(bare)
  return plain.kind() === 'ipv4'
    ? plain.toString()
    : plain.toNormalizedString().split(':').slice(0, 4).join(':')
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
