import type { FileHandle } from 'node:fs/promises'
import type { Pool } from 'pg'
import { sha256Hex } from '#sha256'
import { readWork, workHash } from '../../contract/work.ts'
import { fromUtf8 } from '../../core/bytes.ts'
import { isObject, parseCanonicalJson } from '../../core/canonical-json.ts'
import { MANIFEST_BYTES_MAX } from '../../core/certificate/dlm-version.ts'
import { versionIdOf } from '../../core/certificate/manifest.ts'
import { noLeaf } from '../../core/rounds/pipeline.ts'
import type { Stage } from '../../core/rounds/template.ts'
import { outcomeLeaf } from '../../core/work/stage-output.ts'
import { zeroCharacterIn } from '../../core/zero-character.ts'
import type { AnsweredSeat, CheckedWork, CheckWork, HeldOutcome } from '../rounds/check-work.ts'
import type { ContentStore } from '../uhrp/content-store.ts'
import { seatHolder } from '../uhrp/holder.ts'
import type { ObjectState } from '../uhrp/read-entry.ts'

export type CheckWorkDeps = {
  readonly pool: Pool
  readonly store: Pick<ContentStore, 'open' | 'condemn'>
  /** Stops there, in tests. */
  at(step: 'work.read'): void
  /** Of work that is held in memory to be checked. */
  readonly bytesAtOnceMax?: number
}

export const BYTES_AT_ONCE_MAX = 256 * 1024 * 1024

/**
 * Reads what an agent has stored for its seat, all of it and once, and compares it with what its result says. Also where
 * others have said the same before: that is what shows who has only copied their leaves.
 */
export function openCheckWork(deps: CheckWorkDeps): CheckWork {
  const room = openRoom(deps.bytesAtOnceMax ?? BYTES_AT_ONCE_MAX)
  return async answer => {
    const object = await findObject(deps.pool, answer)
    if (object === undefined) return { kind: 'missing' }
    if (object.state !== 'held') return unreadable(object)
    if (object.length > answer.outputBytesMax)
      return wrong(`it has ${object.length} bytes, and the job allows ${answer.outputBytesMax}`)
    const leave = await room.enter(object.length)
    try {
      return await readAndJudge(answer, object, deps)
    } finally {
      leave()
    }
  }
}

type StoredWork = { readonly sha256: string; readonly length: number; readonly state: ObjectState }

async function findObject(pool: Pool, { jobOutpoint }: AnsweredSeat): Promise<StoredWork | undefined> {
  const { rows } = await pool.query<StoredWork>({
    name: 'agents-find-work',
    text: `select encode(sha256, 'hex') as sha256, length, state from uhrp_retentions join uhrp_objects using (sha256)
      where holder = $1`,
    values: [seatHolder(jobOutpoint)],
  })
  return rows[0]
}

/**
 * `unreadable` where it cannot be had now: an agent is not to blame for our disk, and may store it again. Whether the bytes
 * are the object's is looked at only where they are not the agent's either: it costs as much as all the rest.
 */
async function readAndJudge(
  answer: AnsweredSeat,
  object: StoredWork,
  { store, at }: CheckWorkDeps,
): Promise<CheckedWork> {
  const { sha256, length } = object
  const opened = await store.open(sha256, 'node')
  if (opened.kind !== 'open') return unreadable(object)
  try {
    const bytes = await readInto(new Uint8Array(length), opened.object.file)
    at('work.read')
    const isTheirs = bytes && workHash(answer.agentKey, answer.jobOutpoint, bytes) === answer.workHash
    if (isTheirs) return judge(answer, bytes, sha256)
    if (bytes && sha256Hex(bytes) === sha256)
      return wrong('its hash with the agent’s key and seat is not the workHash of the result')
    await store.condemn(opened.object)
    return unreadable(object)
  } finally {
    await opened.object.file.close()
  }
}

const READ_BYTES = 4 * 1024 * 1024

async function readInto(bytes: Uint8Array, file: FileHandle): Promise<Uint8Array | undefined> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(READ_BYTES, bytes.length - at), at)
    if (bytesRead === 0) return undefined
    at += bytesRead
  }
  return bytes
}

function judge(
  { leaves, subjects, stage, outputBytesMax }: AnsweredSeat,
  bytes: Uint8Array,
  sha256: string,
): CheckedWork {
  const work = readWork(bytes, leaves.length, outputBytesMax)
  if (!work.ok) return wrong(work.fault.detail)
  const outcomes: HeldOutcome[] = []
  for (const [member, { leaf, output, state }] of work.value.entries()) {
    if (leaf !== leaves[member]) return wrong(`the leaf of member ${member} is not the one in the result`)
    if (leaf === noLeaf) continue
    const outputHash = sha256Hex(output)
    const stateOut = state.length === 0 ? null : sha256Hex(state)
    const said = leafOf(stage, subjects[member] ?? '', { output, outputHash, stateOut })
    if (!said.ok) return wrong(`member ${member}: ${said.why}`)
    if (said.leaf !== leaf) return wrong(`the leaf of member ${member} is not that of the bytes under it`)
    outcomes.push({
      ...{ member, leaf, outputHash, stateOut },
      outputAt: output.byteOffset - bytes.byteOffset,
      outputBytes: output.length,
      stateAt: state.byteOffset - bytes.byteOffset,
      stateBytes: state.length,
    })
  }
  return { kind: 'held', sha256, bytes: bytes.length, outcomes }
}

type Said = { readonly ok: true; readonly leaf: string } | { readonly ok: false; readonly why: string }

function leafOf(
  stage: Stage,
  packetId: string,
  made: { readonly output: Uint8Array; readonly outputHash: string; readonly stateOut: string | null },
): Said {
  if (stage !== 'validate' && made.stateOut !== null)
    return { ok: false, why: 'it has a state, and its stage carries none' }
  if (stage !== 'certify') return { ok: true, leaf: outcomeLeaf(packetId, made.outputHash, made.stateOut) }
  const text = made.output.length <= MANIFEST_BYTES_MAX ? fromUtf8(made.output) : undefined
  if (text === undefined) return { ok: false, why: 'its manifest is too long, or not UTF-8' }
  const manifest = parseCanonicalJson(text, MANIFEST_BYTES_MAX)
  if (!manifest.ok) return { ok: false, why: `its manifest is not canonical JSON: ${manifest.fault.detail}` }
  if (!isObject(manifest.value)) return { ok: false, why: 'its manifest is not a JSON object' }
  // Agreed on, it could not be certified, and the work beside it would be lost with it.
  const zero = zeroCharacterIn(manifest.value)
  if (zero !== undefined) return { ok: false, why: `its manifest holds the character U+0000 at ${zero}` }
  const versionId = versionIdOf(manifest.value)
  return versionId.ok ? { ok: true, leaf: versionId.value } : { ok: false, why: versionId.fault.detail }
}

function unreadable({ sha256 }: StoredWork): CheckedWork {
  return { kind: 'unreadable', why: `the work ${sha256} was stored here, and cannot be read` }
}

function wrong(why: string): CheckedWork {
  return { kind: 'void', why: `the stored work is not what the result votes for: ${why}` }
}

/** Whoever finds no room waits, and larger ones do not starve: it is first come, first served. */
function openRoom(bytesMax: number) {
  let free = bytesMax
  const waiting: { readonly bytes: number; go(): void }[] = []
  const admit = () => {
    for (;;) {
      const [first] = waiting
      // What is larger than the room goes alone.
      if (first === undefined || (first.bytes > free && free < bytesMax)) return
      waiting.shift()
      free -= first.bytes
      first.go()
    }
  }
  return {
    enter: (bytes: number) =>
      new Promise<() => void>(resolve => {
        const leave = () => {
          free += bytes
          admit()
        }
        waiting.push({ bytes, go: () => resolve(leave) })
        admit()
      }),
  }
}
