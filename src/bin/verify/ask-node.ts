import * as z from 'zod'
import type { ReplayMaterial } from '../../contract/replay.ts'
import { fromUtf8 } from '../../core/bytes.ts'
import { parseJson } from '../../core/canonical-json.ts'
import { readPolicySet } from '../../core/policy/read-policy-set.ts'
import { POLICY_CHARS_MAX } from '../../core/schema.ts'
import { readBounded } from '../../runtime/read-bounded.ts'

/** What a node says of a certificate. It is its word: no level rests on it. */
export type NodeWord = {
  readonly node: string
  /**
   * lost: something that it descends from, or it itself, was double-spent. unseen: it is written, and not heard of from the
   * network. unknown: the node knows no such version, or does not show it to strangers.
   */
  readonly certificate: 'stands' | 'revoked' | 'superseded' | 'lost' | 'unseen' | 'unknown'
  /** The transaction that spends it. */
  readonly revokedBy: string | null
  /** The versions that took its place. */
  readonly supersededBy: readonly string[]
  /** Of the block that the node has it in. */
  readonly blockHeight: number | null
  /** Blocks on that one, itself included; null where the node cannot say at the moment. */
  readonly confirmations: number | null
}

export type NodeAnswer<T> =
  | { readonly kind: 'answered'; readonly value: T }
  /** It has said why not, in the shape of a problem where `code` is there. */
  | { readonly kind: 'refused'; readonly detail: string; readonly code: string | null }

/** So long a node may take for one answer. */
const ANSWER_MS_MAX = 30_000
const PROOF_BYTES_MAX = 16 * 1024 * 1024
const WORD_BYTES_MAX = 16 * 1024 * 1024
const MATERIAL_BYTES_MAX = 64 * 1024 * 1024

export function fetchProof(node: string, eventId: string): Promise<NodeAnswer<string>> {
  return fetchText(node, `/events/${eventId}/proof`, PROOF_BYTES_MAX)
}

/** Of this certificate of this packet, and of what came after it. */
export async function askAbout(
  node: string,
  {
    packetId,
    versionId,
    txid,
  }: { readonly packetId: string; readonly versionId: string; readonly txid: string },
): Promise<NodeAnswer<NodeWord>> {
  const resolved = await fetchText(node, `/resolve?versionId=${versionId}`, WORD_BYTES_MAX)
  if (resolved.kind === 'refused') return resolved
  const shown = await fetchText(node, `/packets/${packetId}`, WORD_BYTES_MAX)
  if (shown.kind === 'refused' && shown.code !== 'not-found') return shown
  const versions = readAs(resolvedShape, resolved.value)
  const packet =
    shown.kind === 'refused' ? { certificates: [], proven: null } : readAs(packetShape, shown.value)
  if (versions === undefined || packet === undefined)
    return { kind: 'refused', code: null, detail: `${node} answers in another way than this version knows` }

  const own = packet.certificates.find(each => each.txid === txid)
  const [version] = versions.items
  const revokedBy = own?.state === 'revoked' ? own.revokedBy : null
  const supersededBy = version?.supersededBy ?? []
  const proven = packet.proven?.txid === txid ? packet.proven : null
  return {
    kind: 'answered',
    value: {
      node,
      certificate: supersededBy.length > 0 ? 'superseded' : (wordFor[own?.state ?? ''] ?? 'unknown'),
      revokedBy,
      supersededBy,
      blockHeight: proven?.blockHeight ?? null,
      confirmations: proven?.confirmations ?? null,
    },
  }
}

const wordFor: { readonly [state: string]: NodeWord['certificate'] } = {
  revoked: 'revoked',
  anchored: 'stands',
  proven: 'stands',
  dead: 'lost',
  written: 'unseen',
}

/** Only what is used of it: a later node may say more. */
const resolvedShape = z.object({ items: z.array(z.object({ supersededBy: z.array(z.string()) })) })
const packetShape = z.object({
  certificates: z.array(z.object({ txid: z.string(), state: z.string(), revokedBy: z.string().nullable() })),
  proven: z
    .object({ txid: z.string(), blockHeight: z.number(), confirmations: z.number().nullable() })
    .nullable(),
})

/** Where agents fetch it too. */
export async function fetchMaterial(
  node: string,
  { packetId, count, policyDigest, stateIn }: MaterialNames,
): Promise<NodeAnswer<ReplayMaterial>> {
  const lines =
    count === 0 ? nothing : await fetchBytes(node, `/rounds/packet/${packetId}`, MATERIAL_BYTES_MAX)
  if (lines.kind === 'refused') return lines
  const policy = await fetchText(node, `/rounds/policy/${policyDigest}`, MATERIAL_BYTES_MAX)
  if (policy.kind === 'refused') return policy
  const json = parseJson(policy.value, 4 * POLICY_CHARS_MAX)
  const policySet = json.ok ? readPolicySet(json.value) : json
  if (!policySet.ok)
    return { kind: 'refused', code: null, detail: `the policy set cannot be read: ${policySet.fault.detail}` }
  const state =
    stateIn === null ? null : await fetchBytes(node, `/rounds/state/${stateIn}`, MATERIAL_BYTES_MAX)
  if (state?.kind === 'refused') return state
  return {
    kind: 'answered',
    value: { lines: lines.value, policySet: policySet.value, state: state?.value ?? null },
  }
}

export type MaterialNames = {
  readonly packetId: string
  readonly count: number
  readonly policyDigest: string
  readonly stateIn: string | null
}

const nothing: NodeAnswer<Uint8Array> = { kind: 'answered', value: new Uint8Array() }

async function fetchText(node: string, path: string, bytesMax: number): Promise<NodeAnswer<string>> {
  const answer = await fetchBytes(node, path, bytesMax)
  if (answer.kind === 'refused') return answer
  const value = fromUtf8(answer.value)
  return value === undefined
    ? { kind: 'refused', code: null, detail: `${node} answers ${path} with what is not UTF-8` }
    : { kind: 'answered', value }
}

async function fetchBytes(node: string, path: string, bytesMax: number): Promise<NodeAnswer<Uint8Array>> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX)
    const response = await fetch(node.replace(/\/$/, '') + path, { redirect: 'error', signal })
    const bytes = await readBounded(response, bytesMax, signal)
    if (response.ok) return { kind: 'answered', value: bytes }
    const problem = readAs(problemShape, fromUtf8(bytes) ?? '')
    return {
      kind: 'refused',
      code: problem?.code ?? null,
      detail: `${node} answers ${path} with ${response.status}${problem === undefined ? '' : `: ${problem.detail}; ${problem.hint}`}`,
    }
  } catch (error) {
    return { kind: 'refused', code: null, detail: `${node} does not answer ${path}: ${whyOf(error)}` }
  }
}

const problemShape = z.object({ code: z.string(), detail: z.string(), hint: z.string() })

function readAs<Shape extends z.ZodType>(shape: Shape, text: string): z.output<Shape> | undefined {
  const json = parseJson(text, WORD_BYTES_MAX)
  return json.ok ? shape.safeParse(json.value).data : undefined
}

/** What fetch itself says is only that it failed. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
