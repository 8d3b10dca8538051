import type { Sent } from '../journals.ts'

/** One event of the log, by what publishers know of it. */
export type Logged = {
  readonly streamId: string
  readonly sourceId: string
  readonly eventId: string
  readonly seq: number
}

/** Acknowledged = logged: every event that was answered for is in the log, where its answer says; and nothing else is. */
export function againstLog(sent: readonly Sent[], logged: readonly Logged[]): string[] {
  const faults: string[] = []
  const acknowledged = new Map<string, Sent>()
  const inLog = new Map(logged.map(each => [each.eventId, each]))
  for (const each of sent) {
    const name = `${each.sourceId}/${each.id}`
    const first = acknowledged.get(name)
    if (each.kind === 'again') {
      if (each.status !== 'duplicate') faults.push(`${name} was sent again, and answered with ${each.status}`)
      if (first !== undefined && each.eventId !== first.eventId)
        faults.push(`${name} was ${first.eventId} at first, and ${each.eventId} when it was sent again`)
      continue
    }
    if (first !== undefined) faults.push(`${name} was answered for twice`)
    acknowledged.set(name, each)
    if (each.status !== 'accepted') {
      faults.push(
        `${name} was sent for the first time, and answered with ${each.status}${each.why === null ? '' : `: ${each.why}`}`,
      )
      continue
    }
    const found = inLog.get(each.eventId ?? '')
    if (found === undefined)
      faults.push(`${name} was acknowledged as ${each.eventId}, which the log does not have`)
    else if (found.seq !== each.seq)
      faults.push(`${name} was acknowledged at ${each.seq}, and the log has it at ${found.seq}`)
  }
  const known = new Set([...acknowledged.values()].map(({ eventId }) => eventId))
  for (const { eventId, sourceId } of logged)
    if (!known.has(eventId)) faults.push(`${eventId} of ${sourceId} is in the log, and nobody was told so`)
  return faults
}
