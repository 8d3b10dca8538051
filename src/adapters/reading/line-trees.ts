import { sha256Hex } from '#sha256'
import { sameBytes, toHex } from '../../core/bytes.ts'
import { hashLinesInSteps } from '../../core/log/packet.ts'
import { emptyRoot, leafHash, merkleLevels, pathIn } from '../../core/merkle.ts'
import { outputBounds } from '../../core/work/stage-output.ts'
import { type Rest, takeTurns } from '../../runtime/take-turns.ts'
import type { LineTree, ReadLineTree } from '../../serve/proof-parts.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { openInLine, readingBounds } from './in-line.ts'

export type LineTreesDeps = {
  readonly content: Pick<ContentStore, 'open'>
  readonly bytesMax?: number
  readonly atOnceMax?: number
  readonly waitingMax?: number
}

/** Of hashes that are remembered: a thousand packets of a thousand lines each take about as much. */
export const LINE_TREES_BYTES = 64 * 1024 * 1024

/**
 * Reads and hashes an object once for many proofs. Only hashes are remembered: a line is read from the object each time, so
 * that what is taken out of the store is out of reach here too.
 */
export function openLineTrees({
  content,
  bytesMax = LINE_TREES_BYTES,
  ...bounds
}: LineTreesDeps): ReadLineTree {
  const inLine = openInLine({ ...readingBounds, ...bounds })
  const turn = takeTurns()
  const kept = openMemory(bytesMax)
  const underWay = new Map<string, Promise<Hashed | 'busy' | undefined>>()
  const hashed = async (sha256: string): Promise<Hashed | 'busy' | undefined> => {
    const known = kept.get(sha256)
    if (known !== undefined) return known
    const begun = underWay.get(sha256)
    if (begun !== undefined) return begun
    const reading = inLine(() => hashObject(content, sha256, turn())).finally(() => underWay.delete(sha256))
    underWay.set(sha256, reading)
    const read = await reading
    if (read !== undefined && read !== 'busy') kept.keep(sha256, read)
    return read
  }
  return async sha256 => {
    const tree = await hashed(sha256)
    return tree === undefined || tree === 'busy' ? tree : treeOf(sha256, tree, content)
  }
}

type Hashed = {
  readonly levels: readonly Uint8Array[]
  /** Where each line begins, and at last where another one would. */
  readonly starts: Uint32Array
}

function treeOf(sha256: string, { levels, starts }: Hashed, content: LineTreesDeps['content']): LineTree {
  const count = starts.length - 1
  return {
    count,
    root: toHex(levels.at(-1) ?? emptyRoot),
    path: index => pathIn(levels, index).map(toHex),
    async line(index) {
      const [from, to] = [starts[index], starts[index + 1]]
      if (from === undefined || to === undefined) return undefined
      const bytes = await readBytes(content, sha256, from, to - from - 1)
      // What has rotted since it was hashed would be a proof of nothing.
      const leaf = levels[0]?.subarray(index * 32, index * 32 + 32) ?? new Uint8Array()
      if (bytes === undefined || !sameBytes(leafHash(bytes), leaf)) return undefined
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
    },
  }
}

/** Undefined too where the object is not what its name says, or has no lines: nothing can be proven by it. */
async function hashObject(
  content: LineTreesDeps['content'],
  sha256: string,
  rest: Rest,
): Promise<Hashed | undefined> {
  const bytes = await readBytes(content, sha256)
  if (bytes === undefined || sha256Hex(bytes) !== sha256) return undefined
  const hashing = hashLinesInSteps(bytes, outputBounds)
  for (;;) {
    const step = hashing.next()
    if (!step.done) await rest()
    else if (step.value.ok) return { levels: merkleLevels(step.value.value), starts: startsOf(bytes) }
    else return undefined
  }
}

async function readBytes(
  content: LineTreesDeps['content'],
  sha256: string,
  at = 0,
  length?: number,
): Promise<Uint8Array | undefined> {
  const opened = await content.open(sha256, 'node')
  if (opened.kind !== 'open') return undefined
  const { file, length: whole } = opened.object
  try {
    if (whole > outputBounds.bytesMax) return undefined
    const bytes = new Uint8Array(length ?? whole)
    for (let read = 0; read < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, read, bytes.length - read, at + read)
      if (bytesRead === 0) return undefined
      read += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}

const NEWLINE = 0x0a

function startsOf(bytes: Uint8Array): Uint32Array {
  const starts = [0]
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, end + 1))
    starts.push(end + 1)
  return Uint32Array.from(starts)
}

/** Whoever was not asked for the longest goes first. */
function openMemory(bytesMax: number) {
  const kept = new Map<string, Hashed>()
  let total = 0
  const sizeOf = ({ levels, starts }: Hashed) =>
    starts.byteLength + levels.reduce((sum, level) => sum + level.length, 0)
  return {
    get(sha256: string): Hashed | undefined {
      const found = kept.get(sha256)
      if (found === undefined) return undefined
      kept.delete(sha256)
      kept.set(sha256, found)
      return found
    },
    keep(sha256: string, hashed: Hashed): void {
      if (kept.has(sha256) || sizeOf(hashed) > bytesMax) return
      kept.set(sha256, hashed)
      total += sizeOf(hashed)
      for (const [oldest, each] of kept) {
        if (total <= bytesMax) break
        kept.delete(oldest)
        total -= sizeOf(each)
      }
    },
  }
}
