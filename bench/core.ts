import { publicKeyOf, sign, verify } from '#curve'
import { sha256, sha256Hex } from '#sha256'
import { concat, utf8 } from '../src/core/bytes.ts'
import { canonicalHash, canonicalJson, parseJson } from '../src/core/canonical-json.ts'
import type { Envelope } from '../src/core/event/envelope.ts'
import { type Arrival, identify } from '../src/core/event/identity.ts'
import { orThrow } from '../src/core/fault.ts'
import { leafHash, merkleRoot } from '../src/core/merkle.ts'
import { compileSource } from '../src/core/policy/normalize-event.ts'
import { readSourcePolicy } from '../src/core/policy/read-source-policy.ts'
import { emptyState } from '../src/core/rules/carried-state.ts'
import { compileRules } from '../src/core/rules/check-event.ts'
import { certifyPacket } from '../src/core/work/certify-packet.ts'
import { normalizePacket } from '../src/core/work/normalize-packet.ts'
import { validatePacket } from '../src/core/work/validate-packet.ts'
import { type Case, type Figure, measure, ROUNDS } from './measure.ts'
import { referenceEvent } from './reference-event.ts'
import { referencePacket, referencePolicySet } from './reference-packet.ts'
import { envelopeOf, referencePolicy } from './reference-policy.ts'
import type { Report } from './report.ts'

const EVENTS = 1_000
const SIGNATURES = 100

export async function reportCore(): Promise<Report> {
  const figures = await measureCore()
  return {
    printed: `medians of ${ROUNDS} interleaved rounds, CPU time\n\n${table(figures)}`,
    figures: { rounds: ROUNDS, figures },
  }
}

async function measureCore(): Promise<Figure[]> {
  const originals = Array.from({ length: EVENTS }, (_, index) => referenceEvent(index))
  const posted = originals.map(event => JSON.stringify(event))
  // Parsed, as ingest has them: the engine lays out a literal of this program differently.
  const events = posted.map(text => orThrow(parseJson(text)))
  const envelopes = originals.map((event, i) => envelopeOf(event, events[i] ?? null))
  const leaves = concat(...posted.map(text => leafHash(utf8(text))))

  const key = sha256('a key that measures and signs nothing else')
  const publicKey = publicKeyOf(key)
  const hashes = posted.slice(0, SIGNATURES).map(sha256)
  const signed = hashes.map(hash => ({ hash, signature: sign(hash, key) }))

  return measure([
    each('JSON.parse + JSON.stringify + crypto.hash', posted, text =>
      sha256Hex(JSON.stringify(JSON.parse(text))),
    ),
    each('parse + canonicalize + hash', posted, text => canonicalHash(orThrow(parseJson(text))), 170_000),
    each('JSON.stringify + crypto.hash', events, event => sha256Hex(JSON.stringify(event))),
    each('canonicalize + hash', events, canonicalHash, 400_000),
    each('parse', posted, text => parseJson(text)),
    each('canonicalize', events, canonicalJson),
    each('canonicalize + event id', envelopes, eventId),
    each('map + coerce + validate', envelopes, policyApplied(), 200_000),
    ...stages(envelopes),
    { name: `RFC 6962 root of ${EVENTS} leaves`, times: 1, run: () => merkleRoot(leaves), aim: 1_000 },
    each('sign', hashes, hash => sign(hash, key), 18_000),
    each('verify', signed, ({ hash, signature }) => verify(signature, hash, publicKey), 15_000),
  ])
}

function each<T>(name: string, items: readonly T[], act: (item: T) => unknown, aim?: number): Case {
  const run = () => {
    for (const item of items) act(item)
  }
  return aim === undefined ? { name, times: items.length, run } : { name, times: items.length, run, aim }
}

/** What an agent of each kind does with one packet, per event: reading, working, hashing, all of it. */
function stages(envelopes: readonly Envelope[]): Case[] {
  const { header, bytes } = referencePacket(envelopes)
  const policySet = referencePolicySet
  const normalize = () => orThrow(normalizePacket(header, bytes, policySet))
  const normalized = normalize()
  const validate = () =>
    orThrow(validatePacket(header, normalized.bytes, policySet, { parent: null, state: null }))
  const validated = validate()
  const certify = () =>
    orThrow(certifyPacket(header, bytes, policySet, { parent: null, stateIn: null }, validated))
  return [
    { name: 'normalize a packet, each event', times: EVENTS, run: normalize },
    { name: 'validate a packet, each event', times: EVENTS, run: validate },
    { name: 'certify a packet, each event', times: EVENTS, run: certify },
  ]
}

function eventId({ sourceId, streamId, payload, eventTimeMs, ingestTimeMs }: Envelope) {
  const arrival: Arrival = { ingestTimeMs, key: '', index: 0 }
  return identify({ sourceId, streamId, payloadJcs: canonicalJson(payload), eventTimeMs }, arrival)
}

function policyApplied(): (envelope: Envelope) => void {
  const policy = orThrow(readSourcePolicy(referencePolicy))
  const normalize = compileSource(policy)
  const check = compileRules(policy.rules ?? [])
  const state = emptyState()
  return envelope => {
    const { payload, issues } = normalize(envelope)
    const found = issues.length + check({ ...envelope, payload }, state).length
    // An event set aside takes another way, and its figure would be of something else.
    if (found > 0) throw new Error('the reference event does not satisfy the reference policy')
  }
}

function table(figures: readonly Figure[]): string {
  const rows = [
    ['', 'per CPU-second', 'µs each', '× baseline', 'aim'],
    ...figures.map(({ name, perCpuSecond, microseconds, timesBaseline, aim }) => [
      name,
      whole(perCpuSecond),
      microseconds.toFixed(microseconds < 100 ? 2 : 0),
      timesBaseline.toFixed(2),
      aim === null ? '' : whole(aim),
    ]),
  ]
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length))
  return rows
    .map(([name = '', ...cells]) => name.padEnd(nameWidth) + cells.map(cell => cell.padStart(16)).join(''))
    .join('\n')
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
