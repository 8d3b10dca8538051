import type { PacketHeader } from '../../core/log/packet-header.ts'
import type { GapMessage, LineMessage } from './messages.ts'

/**
 * Where a reader stands in a partition: the line that comes next, and the packet before it; that is the packet itself where
 * some of its lines have come already. Null: not known, as behind a gap.
 */
export type Standing = { readonly at: number; readonly line: number; readonly packetId: string | null }

/** Behind what could not be checked: nobody knows what comes next, only that it is not before this. */
export type Lost = { readonly notBefore: { readonly at: number; readonly line: number } }

export const partitionBegins: Standing = { at: 0, line: 0, packetId: null }

export type Stepped =
  | { readonly kind: 'next'; readonly to: Standing }
  /** Packets of which nothing came: all of them have to be proven to have no lines, the last one being `previous`. */
  | {
      readonly kind: 'next-if-empty'
      readonly to: Standing
      readonly count: number
      readonly previous: string
      readonly after: string | null
    }
  | { readonly kind: 'hole'; readonly detail: string }

/** Whether a line is the one that comes next. `standing` is undefined where a reader begins. */
export function step(
  standing: Standing | Lost | undefined,
  { packetNo: at, packetId, line }: Pick<LineMessage, 'packetNo' | 'packetId' | 'line'>,
  {
    header: { previous },
    output,
  }: { readonly header: Pick<PacketHeader, 'previous'>; readonly output: readonly string[] },
): Stepped {
  const isLast = line + 1 >= output.length
  const to = isLast ? { at: at + 1, line: 0, packetId } : { at, line: line + 1, packetId }
  if (standing === undefined) return { kind: 'next', to }
  const wanted = 'notBefore' in standing ? standing.notBefore : standing
  const hole = (seen: string): Stepped => ({
    kind: 'hole',
    detail: `line ${wanted.line} of packet ${wanted.at} was to come, and ${seen} came`,
  })
  if (at < wanted.at || (at === wanted.at && line < wanted.line))
    return hole(`line ${line} of packet ${at}, which is before it,`)
  if ('notBefore' in standing) return { kind: 'next', to }
  const known = standing.packetId
  if (at === standing.at && line === standing.line) {
    const behind = standing.line > 0 ? packetId : previous
    if (known === null || behind === known) return { kind: 'next', to }
    return hole('what does not build on the packet before it')
  }
  if (at === standing.at || standing.line > 0 || line > 0 || previous === null)
    return hole(`line ${line} of packet ${at}`)
  return { kind: 'next-if-empty', to, count: at - standing.at, previous, after: known }
}

export function lose(standing: Standing | Lost | undefined): Lost {
  if (standing !== undefined && 'notBefore' in standing) return standing
  const { at, line } = standing ?? partitionBegins
  return { notBefore: { at, line } }
}

/** A gap is the node's word: it is believed as to where it ends, and says itself that something is missing. */
export function stepOver({ to }: Pick<GapMessage, 'to'>): Standing | undefined {
  return to === null ? undefined : { ...to, packetId: null }
}
