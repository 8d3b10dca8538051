import { trackNumber } from '../../core/live/track.ts'
import type { ReadPieces } from '../live/piece.ts'

type Read = Awaited<ReturnType<ReadPieces>>[number]

/**
 * Reads a stretch once for all who stand at the same place, until it is told to forget. Most subscriptions are up to date,
 * and those all stand where the tracks end.
 */
export function openSharedReading(readPieces: ReadPieces): { readonly read: ReadPieces; forget(): void } {
  let known = new Map<string, Promise<Read>>()
  const read: ReadPieces = async wanted => {
    const names = wanted.map(({ track, from }) => `${trackNumber(track)} ${from.at} ${from.line}`)
    const missing = wanted.flatMap((each, i) => {
      const name = names[i]
      return name === undefined || known.has(name) ? [] : [{ name, each }]
    })
    if (missing.length > 0) {
      const all = readPieces(missing.map(({ each }) => each))
      for (const [i, { name }] of missing.entries()) {
        const its = all.then(answers => answers[i] ?? nothing)
        // Whoever waits for it is told; it is not to end the process where nobody does yet.
        its.catch(() => undefined)
        known.set(name, its)
      }
    }
    return Promise.all(names.map(name => known.get(name) ?? nothing))
  }
  return {
    read,
    forget() {
      known = new Map()
    },
  }
}

const nothing: Read = { pieces: [], more: false }
