import { canonicalize, type Json, type JsonObject } from '../core/canonical-json.ts'
import type { Submission } from '../core/event/submission.ts'
import { accepted } from '../core/fault.ts'
import type { Level } from '../core/level.ts'
import type { PacketSource } from '../core/log/packet-header.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import { againstAdmitting, againstGrowing, againstTrying, heldAgain, inWords } from './against-release.ts'
import type { Accept, AcceptRefusal } from './arrived.ts'
import { readHeld } from './held-submission.ts'
import { type Authority, type Decider, mayDecide } from './may-decide.ts'
import { mergePatch } from './merge-patch.ts'

export const heldStates = ['held', 'released', 'waived'] as const
export type HeldState = (typeof heldStates)[number]

/** An item that is or was in quarantine. */
export type HeldItem = {
  readonly id: number
  readonly partitionId: number
  readonly partition: number
  readonly level: Level
  readonly streamId: string
  readonly sourceId: string
  readonly tenantId: string | null
  readonly reason: string
  readonly detail: string
  readonly nativeId: string | null
  readonly authenticated: PacketSource['authenticated']
  readonly receivedMs: number
  readonly state: HeldState
  readonly decidedMs: number | null
  /** The event that it became, or that says the same. */
  readonly eventId: string | null
  /** Counts on with what is decided over it. */
  readonly version: string
  /** What was sent, as it was understood. */
  readonly held: Json
}

export type Step = {
  readonly atMs: number
  readonly action: 'held' | 'edited' | 'released' | 'waived' | 'refused'
  readonly who: string
  /** And not by this node, or an operator. */
  readonly byPublisher?: boolean
  readonly detail: string
}

export type ReleaseRequest = {
  readonly id: number
  readonly by: Decider
  /** The version that it is decided over: another one is not. Without one, whatever was decided before is the answer. */
  readonly seen?: string
  /** JSON Merge Patch (RFC 7396) of what is held. */
  readonly edit?: JsonObject
  /** Where it goes; where it was meant to go, if nothing is said. */
  readonly streamId?: string
  /** Whether it goes in although its time speaks against it. */
  readonly override: boolean
}

export type ReleaseOutcome =
  /** Now, or, where no version was named, by an earlier request: the answer is the same. */
  | { readonly kind: 'released'; readonly item: HeldItem }
  | { readonly kind: 'unknown' }
  /** `what`: it may be decided over, and not in this way. */
  | { readonly kind: 'forbidden'; readonly what?: 'edit' | 'override' }
  /** Somebody has decided over it meanwhile. */
  | { readonly kind: 'overtaken'; readonly version: string }
  /** It stays where it is, and the sentence says what would change that. */
  | { readonly kind: 'stays'; readonly detail: string }
  /** The node takes nothing in for this source or stream, or not now. */
  | { readonly kind: 'turned-away'; readonly refusal: AcceptRefusal }

export type ReleaseDeps = {
  find(id: number): Promise<HeldItem | undefined>
  findSource(sourceId: string): Promise<Source | undefined>
  findStream(streamId: string): Promise<Stream | undefined>
  readonly accept: Accept
  /** Resolves once it is on record that nothing came of it, or was as often as is kept. */
  noteRefusal(id: number, refusal: Pick<Step, 'atMs' | 'who' | 'detail'>): Promise<void>
  now(): number
}

/** The door that a released item comes through. */
const connector = { connectorId: 'quarantine', connectorVersion: '1' }

/**
 * Lets a held item in, by the way that every item takes. It leaves quarantine and enters the log in one step, so that
 * whoever asks again, also after a crash, finds what the first one did.
 */
export async function releaseHeld(request: ReleaseRequest, deps: ReleaseDeps): Promise<ReleaseOutcome> {
  const item = await deps.find(request.id)
  if (item === undefined) return { kind: 'unknown' }
  const source = await deps.findSource(item.sourceId)
  const home = await deps.findStream(item.streamId)
  const authority = mayDecide(request.by, {
    source,
    stream: home,
    tenantId: item.tenantId,
    reason: item.reason,
  })
  const beyond = beyondAuthority(request, authority)
  if (beyond !== undefined) return beyond
  const { seen } = request
  if (seen !== undefined && item.version !== seen) return { kind: 'overtaken', version: item.version }

  const stays = async (detail: string): Promise<ReleaseOutcome> => {
    // Publishers are many, and try as often as they like: of them is kept what came of it.
    if (request.by.role === 'admin')
      await deps.noteRefusal(item.id, { who: request.by.who, detail, atMs: deps.now() })
    return { kind: 'stays', detail }
  }
  if (item.state === 'released')
    return seen === undefined ? { kind: 'released', item } : stays('it has been released, and is in the log')
  if (item.state === 'waived') return stays('it was waived, and what is waived is not taken up again')
  if (source === undefined)
    return stays(`its source "${item.sourceId}" is registered no longer; register it again`)
  if (request.by.role === 'publisher' && !source.enabled)
    return stays('its feed takes nothing in, because it is switched off; switch it on first, or waive this')
  const against = againstTrying(item, request)
  if (against !== undefined) return stays(against)
  const edit = request.edit && canonicalize(request.edit)
  if (edit?.ok === false) return stays(`what is to be changed of it cannot be read: ${inWords(edit.fault)}`)
  const merged = request.edit === undefined ? item.held : mergePatch(item.held, request.edit)
  const grown = request.by.role === 'publisher' ? againstGrowing(item.held, merged) : undefined
  if (grown !== undefined) return stays(grown)
  const submission = readHeld(merged)
  if (!submission.ok) return stays(`what is held cannot be read as an event: ${inWords(submission.fault)}`)
  const streamId = request.streamId ?? item.streamId
  const stream = await findGoal(streamId, source, request.by, authority, deps)
  if (stream === undefined)
    return stays(`there is no stream "${streamId}" that it could go to; name another one`)

  const sender = senderOf(source, streamId, request.override)
  const again = againstAdmitting(submission.value, { source: sender, stream, receivedMs: deps.now() })
  if (again !== undefined) return stays(again)
  const goal = { ...request, sender, streamId, editText: edit?.value }
  const outcome = await letIn(item, submission.value, goal, deps)
  return outcome.kind === 'stays' ? stays(outcome.detail) : outcome
}

function beyondAuthority(
  { edit, override }: ReleaseRequest,
  authority: Authority,
): Extract<ReleaseOutcome, { kind: 'forbidden' }> | undefined {
  if (!authority.decide) return { kind: 'forbidden' }
  if (edit !== undefined && !authority.edit) return { kind: 'forbidden', what: 'edit' }
  return override && !authority.override ? { kind: 'forbidden', what: 'override' } : undefined
}

/** A stream that it may be sent to. One that is somebody else's is as one that is not there. */
async function findGoal(
  streamId: string,
  { streams, tenantId }: Source,
  by: Decider,
  { reach }: Authority,
  { findStream }: Pick<ReleaseDeps, 'findStream'>,
): Promise<Stream | undefined> {
  if (reach !== 'all' && !streams.includes(streamId)) return undefined
  const stream = await findStream(streamId)
  if (stream?.tenantId !== tenantId) return undefined
  const isOwn = by.role === 'publisher' && stream?.ownerKey === by.identityKey
  return reach === 'own' && !isOwn ? undefined : stream
}

type Goal = {
  readonly sender: Source
  readonly streamId: string
  readonly editText: string | undefined
}

async function letIn(
  item: HeldItem,
  submission: Submission,
  { by, seen, sender, streamId, override, editText }: ReleaseRequest & Goal,
  { accept, find, now }: ReleaseDeps,
): Promise<ReleaseOutcome> {
  const outcome = await accept({
    source: sender,
    authenticated: item.authenticated,
    connector,
    streamId,
    level: item.level,
    receivedMs: now(),
    bytes: 0,
    items: [{ submission: accepted(submission), flags: 0 }],
    releases: [
      {
        quarantineId: String(item.id),
        who: by.who,
        byPublisher: by.role === 'publisher',
        override,
        once: seen !== undefined,
        ...(editText !== undefined && { edit: editText }),
      },
    ],
  })
  if (outcome.kind === 'refused') return { kind: 'turned-away', refusal: outcome.refusal }
  const after = await find(item.id)
  const [answer] = outcome.items
  if (
    seen !== undefined &&
    after !== undefined &&
    answer?.status === 'rejected' &&
    answer.code === 'not-held'
  )
    return { kind: 'overtaken', version: after.version }
  if (after?.state === 'released' && after.eventId !== null) return { kind: 'released', item: after }
  if (answer?.status === 'quarantined') return { kind: 'stays', detail: heldAgain(answer) }
  const detail = answer?.status === 'rejected' ? answer.detail : 'it was decided over meanwhile'
  return { kind: 'stays', detail }
}

/** Override turns what the source's time policy would hold into a flag. No other reason can be overridden. */
function senderOf(source: Source, streamId: string, override: boolean): Source {
  const streams = [streamId, ...source.streams.filter(each => each !== streamId)] as const
  const time = override ? ({ ...source.time, onFuture: 'flag', onStale: 'flag' } as const) : source.time
  return { ...source, streams, time }
}
