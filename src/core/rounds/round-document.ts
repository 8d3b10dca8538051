import { sha256Hex } from '#sha256'
import { utf8 } from '../bytes.ts'
import { canonicalJson, parseCanonicalJson } from '../canonical-json.ts'
import {
  anything,
  closedObject,
  closedReader,
  hex,
  integer,
  listOf,
  oneOf,
  orNull,
  text,
} from '../closed-object.ts'
import { envelopeChecks } from '../event/read-envelope.ts'
import { accepted, type Outcome, type Refusal, refused } from '../fault.ts'
import { PARTITIONS_MAX, type PacketHeader, packetId, readPacketHeader } from '../log/packet-header.ts'
import { continues } from '../log/succession.ts'

import type { ChainPlace, Parent } from './coordinating/standing.ts'
import { ROUND_PACKETS_MAX, roundId } from './round.ts'

export const ROUND_DOC_BYTES_MAX = 4 * 1024 * 1024
export const POLICY_LOCATIONS_MAX = 8
export const LOCATION_CHARS_MAX = 2048

/** Everything that agents are given with a round; it serves all its stages, and every result names its hash. */
export type RoundDocument = {
  readonly v: 1
  readonly try: number
  /** In the order of the round. */
  readonly headers: readonly PacketHeader[]
  /** One per partition, in the order in which the headers first name them. */
  readonly partitions: readonly PartitionStart[]
  /** Exactly the policies that the headers name, ascending by digest. */
  readonly policies: readonly { readonly digest: string; readonly locations: readonly string[] }[]
}

/** What the first packet of a partition builds on; each further one builds on the one before it in the round. */
export type PartitionStart = ChainPlace & { readonly streamId: string; readonly partition: number }

export function writeRoundDocument(document: RoundDocument): string {
  return canonicalJson(document)
}

/** SHA-256 of the canonical document: agreed leaves of one job are answers to one and the same. */
export function inputHash(document: RoundDocument): string {
  return sha256Hex(writeRoundDocument(document))
}

/** What a packet adds to a document, at most: as much as one about it alone, whatever it builds on. */
export function documentBytes(header: PacketHeader, locations: readonly string[]): number {
  const { streamId, partition, policyDigest } = header
  const parent = { packetId: zeros, versionId: zeros }
  const alone: RoundDocument = {
    v: 1,
    try: TRY_MAX,
    headers: [header],
    partitions: [{ streamId, partition, parent, stateIn: zeros }],
    policies: [{ digest: policyDigest, locations }],
  }
  return utf8(writeRoundDocument(alone)).length
}

const TRY_MAX = 0xffff_ffff
const zeros = '0'.repeat(64)

export function roundIdOf(document: RoundDocument): string {
  return roundId(document.try, document.headers.map(packetId))
}

/** Strict, closed and canonical; what it says of its packets must fit together. */
export function readRoundDocument(source: string): Outcome<RoundDocument> {
  const json = parseCanonicalJson(source, ROUND_DOC_BYTES_MAX)
  if (!json.ok) return json
  const shaped = readShape(json.value)
  if (!shaped.ok) return shaped
  for (const [i, header] of shaped.value.headers.entries()) {
    const read = readPacketHeader(header)
    if (!read.ok)
      return refused('round-invalid', read.fault.detail, `/headers/${i}${read.fault.pointer ?? ''}`)
  }
  return contradictionIn(shaped.value) ?? accepted(shaped.value)
}

const readShape = closedReader<RoundDocument>(
  'round document',
  'round-invalid',
  closedObject<RoundDocument>(
    {
      v: oneOf([1]),
      try: integer(1, TRY_MAX),
      headers: listOf(anything, ROUND_PACKETS_MAX),
      partitions: listOf(
        closedObject<PartitionStart>(
          {
            streamId: envelopeChecks.streamId,
            partition: integer(0, PARTITIONS_MAX - 1),
            parent: orNull(closedObject<Parent>({ packetId: hex(32), versionId: hex(32) }, {})),
            stateIn: orNull(hex(32)),
          },
          {},
        ),
        ROUND_PACKETS_MAX,
      ),
      policies: listOf(
        closedObject<RoundDocument['policies'][number]>(
          { digest: hex(32), locations: listOf(text(LOCATION_CHARS_MAX), POLICY_LOCATIONS_MAX) },
          {},
        ),
        ROUND_PACKETS_MAX,
      ),
    },
    {},
  ),
)

type Contradiction = Refusal | undefined

function contradictionIn(document: RoundDocument): Contradiction {
  if (document.headers.length === 0)
    return refused('round-invalid', 'round document: it must name at least one packet', '/headers')
  return (
    mixedHeaders(document) ?? disorderedHeaders(document) ?? unfitStarts(document) ?? unfitPolicies(document)
  )
}

/** Agents answer for one log at one level, and for one audience: what is restricted is never sent with the rest. */
function mixedHeaders({ headers }: RoundDocument): Contradiction {
  const [first] = headers
  for (const [i, header] of headers.entries())
    for (const member of ['level', 'audience', 'log', 'network'] as const)
      if (header[member] !== first?.[member])
        return refused(
          'round-invalid',
          `round document: all packets must have one ${member}`,
          `/headers/${i}/${member}`,
        )
  return undefined
}

function disorderedHeaders({ headers }: RoundDocument): Contradiction {
  const latest = new Map<string, PacketHeader>()
  for (const [i, header] of headers.entries()) {
    const before = latest.get(partitionOf(header))
    latest.set(partitionOf(header), header)
    if (before === undefined || header.packetNo > before.packetNo + 1) continue
    if (header.packetNo <= before.packetNo)
      return refused(
        'round-invalid',
        'round document: packets of one partition must ascend by packetNo',
        `/headers/${i}/packetNo`,
      )
    const link = continues(before, header)
    if (!link.ok) return refused('round-invalid', `round document: ${link.fault.detail}`, `/headers/${i}`)
  }
  return undefined
}

function unfitStarts({ headers, partitions }: RoundDocument): Contradiction {
  const heads = new Map<string, PacketHeader>()
  for (const header of headers) if (!heads.has(partitionOf(header))) heads.set(partitionOf(header), header)
  const named = [...heads.keys()]
  if (partitions.length !== named.length || partitions.some((start, i) => partitionOf(start) !== named[i]))
    return refused(
      'round-invalid',
      'round document: partitions must be those of the headers, once each, in the order of their first packets',
      '/partitions',
    )
  for (const [i, { parent, stateIn, ...start }] of partitions.entries()) {
    if (parent === null && stateIn !== null)
      return refused('round-invalid', 'round document: state comes from a parent', `/partitions/${i}/stateIn`)
    if (parent !== null && heads.get(partitionOf(start))?.packetNo === 0)
      return refused('round-invalid', 'round document: packet 0 has no parent', `/partitions/${i}/parent`)
  }
  return undefined
}

function unfitPolicies({ headers, policies }: RoundDocument): Contradiction {
  const wanted = [...new Set(headers.map(header => header.policyDigest))].sort()
  if (policies.length !== wanted.length || policies.some(({ digest }, i) => digest !== wanted[i]))
    return refused(
      'round-invalid',
      'round document: policies must be those that the headers name, once each, ascending by digest',
      '/policies',
    )
  return undefined
}

function partitionOf({ streamId, partition }: { streamId: string; partition: number }): string {
  return `${streamId}/${partition}`
}
