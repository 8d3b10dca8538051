import { describe, expect, test } from 'vitest'
import { openAudit } from '../../src/contract/audit/audit.ts'
import { type AuditState, remember } from '../../src/contract/audit/audit-state.ts'
import type { ExportRecord, OpeningRecord, PacketRecord } from '../../src/contract/audit/records.ts'
import { advance, atBeginning, type ExportSource, exportRecords } from '../../src/contract/audit/sequence.ts'
import { orThrow } from '../../src/core/fault.ts'
import { certifiedRound, sampleEvent } from '../support/certified-round.ts'
import { exportedRound } from '../support/exported-round.ts'

/* What is done to the records of one sound round, and what a look at them says. */

const round = certifiedRound({
  level: 'basic',
  events: [[sampleEvent(0), sampleEvent(1)], [sampleEvent(2)], [sampleEvent(3)]],
})
const sound = [...exportedRound(round)]

type Changes = {
  readonly opening?: (record: OpeningRecord) => OpeningRecord
  readonly certificate?: Partial<Extract<ExportRecord, { kind: 'certificate' }>>
  readonly packet?: (record: PacketRecord) => PacketRecord
}

function changed({ opening, certificate, packet }: Changes): ExportRecord[] {
  return sound.map(record => {
    if (record.kind === 'opening') return opening?.(record) ?? record
    if (record.kind === 'certificate') return { ...record, ...certificate }
    return record.kind === 'packet' ? (packet?.(record) ?? record) : record
  })
}

function audited(records: readonly ExportRecord[]): AuditState {
  const audit = openAudit({})
  for (const record of records) orThrow(audit.take(record))
  return audit.state()
}

const only =
  (packetNo: number, change: (record: PacketRecord) => Partial<PacketRecord>) => (record: PacketRecord) =>
    record.packetNo === packetNo ? { ...record, ...change(record) } : record
const extents =
  (change: Partial<OpeningRecord['partitions'][number]>) =>
  (record: OpeningRecord): OpeningRecord => ({
    ...record,
    partitions: record.partitions.map(each => ({ ...each, ...change })),
  })
const notMade = {
  packetId: null,
  header: null,
  lines: null,
  logged: 'gone',
  standing: null,
  certificate: null,
  output: null,
} as const

test('nothing is wrong with a sound round', () => {
  expect(audited(sound)).toMatchObject({ isWhole: true, findings: [], open: [] })
})

describe('a packet that is there behind one that is not', () => {
  const { findings } = audited(
    changed({ opening: extents({ followed: 0, certified: 0 }), packet: only(1, () => notMade) }),
  )

  test('shows that it was taken out, whatever the exporter says was followed', () => {
    expect(findings).toContainEqual(
      expect.objectContaining({
        kind: 'omission',
        packetNo: 2,
        detail: expect.stringMatching(/^packet 1 before it has a seal mark/),
      }),
    )
  })

  test('is not told from one that is still to be made where none comes behind it', () => {
    const state = audited(
      changed({ opening: extents({ followed: 2, certified: 0 }), packet: only(2, () => notMade) }),
    )
    expect(state).toMatchObject({ findings: [], found: { unmade: 1 } })
  })
})

describe('a certificate', () => {
  test.each(['split', 'sealed'])('that is proven is no packet’s that stands as %s', status => {
    const { findings } = audited(
      changed({
        opening: extents({ certified: 0 }),
        packet: only(2, ({ standing }) => ({
          standing: standing && { ...standing, status, versionId: null },
        })),
      }),
    )
    expect(findings).toMatchObject([{ kind: 'wrong-count', packetNo: 2 }])
  })

  test('that is only written may belong to a packet without a version', () => {
    const { findings } = audited(
      changed({
        opening: extents({ certified: 0 }),
        packet: only(2, ({ standing, certificate }) => ({
          standing: standing && { ...standing, status: 'open', versionId: null },
          certificate: certificate && { ...certificate, state: 'written' },
        })),
      }),
    )
    expect(findings).toEqual([])
  })

  test('that lacks its history still names the output', () => {
    const raw = round.transactions.at(-1)?.raw ?? null
    const withoutHistory = { beef: null, raw } as const
    const state = audited(changed({ certificate: withoutHistory }))
    expect(state.findings).toEqual([])
    expect(state.open).toEqual([expect.stringMatching(/something that it descends from is not there/)])
    const edited = only(1, ({ output }) => ({ output: output?.slice(0, -1) ?? null }))
    expect(audited(changed({ certificate: withoutHistory, packet: edited })).findings).toMatchObject([
      { packetNo: 1, detail: expect.stringMatching(/its certified output/) },
    ])
  })

  test('of which nothing is there is missing', () => {
    const { findings } = audited(changed({ certificate: { beef: null, raw: null } }))
    expect(findings[0]).toMatchObject({ kind: 'missing-certificate' })
  })

  test('without its round document leaves open what agents were asked', () => {
    const state = audited(changed({ certificate: { document: null } }))
    expect(state.findings).toEqual([])
    expect(state.open).toHaveLength(1)
  })
})

test('a parent that is not remembered any more is left open', () => {
  const audit = openAudit({})
  const before = changed({}).filter(({ kind }) => kind !== 'closing')
  for (const record of before.slice(0, -1)) orThrow(audit.take(record))
  const state = audit.state()
  const forgotten = {
    ...remember(state.partition, { packetId: '', versionId: '' }),
    certified: [],
    isForgotten: true,
  }
  const later = openAudit({}, { ...state, partition: forgotten })
  for (const record of before.filter(({ kind }) => kind === 'policy' || kind === 'certificate'))
    orThrow(later.take(record))
  const last = before.at(-1)
  if (last !== undefined) orThrow(later.take(last))
  expect(later.state().findings).toEqual([])
  expect(later.state().open).toEqual([expect.stringMatching(/none of the last ones before it/)])
})

describe('an opening is refused', () => {
  const answers = (opening: (record: OpeningRecord) => OpeningRecord) =>
    changed({ opening })
      .slice(0, 1)
      .map(record => openAudit({}).take(record).ok)

  test.each([
    ['of one stream that tells of another', (record: OpeningRecord) => ({ ...record, streamId: 'another' })],
    ['of one network that tells of another', extents({ network: 'mainnet' })],
    [
      'that tells of a partition twice',
      (record: OpeningRecord) => ({ ...record, partitions: [...record.partitions, ...record.partitions] }),
    ],
  ])('%s', (_, change) => {
    expect(answers(change)).toEqual([false])
  })
})

describe('an export', () => {
  const sourceOf = (answer: () => readonly ExportRecord[], headers = new Uint8Array(80)): ExportSource => ({
    opening: async () => orOpening(sound),
    headers: async () => headers,
    async *packets() {
      yield* answer()
    },
  })
  const all = async (source: ExportSource) => {
    const records: ExportRecord[] = []
    for await (const record of exportRecords(source, null)) records.push(record)
    return records
  }
  const packets = sound.filter(record => record.kind === 'packet')

  test('is not written for ever where packets come back', async () => {
    const [first, second] = packets
    await expect(all(sourceOf(() => [first, second, first].flatMap(each => each ?? [])))).rejects.toThrow(
      /something else was answered/,
    )
  })

  test('is not written with block headers that nobody asked for', async () => {
    await expect(all(sourceOf(() => packets, new Uint8Array(81)))).rejects.toThrow(/81 bytes answered/)
  })

  test('has no block headers behind packets, also where the chain got shorter', () => {
    const cursor = sound
      .filter(({ kind }) => kind !== 'headers')
      .slice(0, 4)
      .reduce(advance, atBeginning)
    expect(cursor).toMatchObject({ packetNo: 1, height: null })
  })
})

function orOpening(records: readonly ExportRecord[]): OpeningRecord {
  const opening = records.find(record => record.kind === 'opening')
  if (opening === undefined) throw new Error('an export has an opening')
  return opening
}
