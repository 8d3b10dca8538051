import { networkOf } from '../../../runtime/network-of.ts'

/** Room for those who follow one route. */
export type LivePlaces = {
  /** What to call when it has left, or what there is too much of. */
  enter(address: string | undefined): (() => void) | 'all' | 'address'
}

/** However many come from one place, half of the room is for others; behind one proxy that is no bound worth having. */
export function openLivePlaces(
  clientsMax: number,
  perAddressMax = Math.max(1, Math.ceil(clientsMax / 2)),
): LivePlaces {
  const counts = new Map<string, number>()
  let all = 0
  return {
    enter(address) {
      const from = networkOf(address)
      const its = counts.get(from) ?? 0
      if (all >= clientsMax) return 'all'
      if (its >= perAddressMax) return 'address'
      all += 1
      counts.set(from, its + 1)
      let isThere = true
      return () => {
        if (!isThere) return
        isThere = false
        all -= 1
        const left = (counts.get(from) ?? 1) - 1
        if (left === 0) counts.delete(from)
        else counts.set(from, left)
      }
    },
  }
}
