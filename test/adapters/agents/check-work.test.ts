import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCheckWork } from '../../../src/adapters/agents/check-work.ts'
import type { AnsweredSeat, CheckedWork } from '../../../src/adapters/rounds/check-work.ts'
import { seatHolder } from '../../../src/adapters/uhrp/holder.ts'
import { type Work, workHash, writeWork } from '../../../src/contract/work.ts'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { noLeaf } from '../../../src/core/rounds/pipeline.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { outcomeLeaf } from '../../../src/core/work/stage-output.ts'
import { certifiedRound, party } from '../../support/certified-round.ts'
import { type UhrpBed, uhrpBed } from '../../support/uhrp-bed.ts'

let bed: UhrpBed
beforeAll(async () => {
  bed = await uhrpBed()
}, 30_000)
afterAll(() => bed.close())

const agent = party('an agent whose work is read')
const { packets } = certifiedRound()
const subjects = packets.map(({ packetId }) => packetId)
const none = new Uint8Array(0)

const normalized: Work = packets.map(({ packetId, normalized: { bytes, outputHash } }) => ({
  leaf: outcomeLeaf(packetId, outputHash, null),
  output: bytes,
  state: none,
}))
const validated: Work = packets.map(
  ({ packetId, validated: { bytes, outputHash, stateBytes, stateOut } }) => ({
    leaf: outcomeLeaf(packetId, outputHash, stateOut),
    output: bytes,
    state: stateBytes,
  }),
)
const certified: Work = packets.map(({ certified: { versionId, manifest } }) => ({
  leaf: versionId,
  output: utf8(canonicalJson(manifest)),
  state: none,
}))

let seats = 0
type Lie = {
  readonly stored?: Uint8Array
  readonly answer?: (honest: AnsweredSeat) => Partial<AnsweredSeat>
}

/** What comes of an answer, with these bytes stored for its seat. */
async function checked(stage: AnsweredSeat['stage'], work: Work, lie: Lie = {}): Promise<CheckedWork> {
  const bytes = writeWork(work)
  const jobOutpoint = { txid: sha256Hex(`job ${seats++}`), vout: 1 }
  const honest: AnsweredSeat = {
    ...{ jobOutpoint, stage, subjects },
    agentKey: agent.identityKey,
    status: 'completed',
    leaves: work.map(({ leaf }) => leaf),
    workHash: workHash(agent.identityKey, jobOutpoint, bytes),
    outputBytesMax: 1 << 20,
  }
  orThrow(
    await bed.store.put(lie.stored ?? bytes, {
      holder: seatHolder(jobOutpoint),
      audience: 'restricted',
      readers: [],
      advertise: false,
      retainUntilMs: Date.now() + 3_600_000,
    }),
  )
  return check({ ...honest, ...lie.answer?.(honest) })
}

const check = (answer: AnsweredSeat) =>
  openCheckWork({ pool: bed.database.pool, store: bed.store, at: () => undefined })(answer)

const voidFor = (why: string) => ({ kind: 'void', why: expect.stringContaining(why) })

describe('the work behind a result', () => {
  test.each([
    ['normalize', normalized],
    ['validate', validated],
    ['certify', certified],
  ] as const)('is held where it is what the result votes for: %s', async (stage, work) => {
    const result = await checked(stage, work)
    if (result.kind !== 'held') throw new Error(JSON.stringify(result))
    const bytes = writeWork(work)
    expect([result.sha256, result.bytes]).toEqual([sha256Hex(bytes), bytes.length])
    expect(result.outcomes.map(({ leaf }) => leaf)).toEqual(work.map(({ leaf }) => leaf))
    for (const [member, outcome] of result.outcomes.entries()) {
      const { outputAt, outputBytes, stateAt, stateBytes, stateOut } = outcome
      expect(bytes.slice(outputAt, outputAt + outputBytes)).toEqual(work[member]?.output)
      const state = bytes.slice(stateAt, stateAt + stateBytes)
      expect(state).toEqual(work[member]?.state)
      expect(stateOut).toBe(state.length === 0 ? null : sha256Hex(state))
    }
  })

  test('lists nothing of a member without an answer', async () => {
    const half = [{ leaf: noLeaf, output: none, state: none }, ...validated.slice(1)]
    const result = await checked('validate', half)
    expect(result.kind === 'held' && result.outcomes.map(({ member }) => member)).toEqual([1])
  })

  test('is missing until it is stored', async () => {
    const jobOutpoint = { txid: sha256Hex('nothing stored'), vout: 0 }
    const answer = { stage: 'validate', status: 'completed', subjects, leaves: [noLeaf, noLeaf] } as const
    const rest = { jobOutpoint, agentKey: agent.identityKey, workHash: noLeaf, outputBytesMax: 1000 }
    expect(await check({ ...answer, ...rest })).toEqual({ kind: 'missing' })
  })

  test('is unreadable, and neither missing nor void, where our own disk has damaged it', async () => {
    const jobOutpoint = { txid: sha256Hex('damaged'), vout: 0 }
    const bytes = writeWork(validated)
    const { sha256 } = orThrow(
      await bed.store.put(concat(bytes), {
        holder: seatHolder(jobOutpoint),
        audience: 'restricted',
        readers: [],
        advertise: false,
        retainUntilMs: Date.now() + 3_600_000,
      }),
    )
    await writeFile(bed.store.folder.pathOf(sha256), new Uint8Array(bytes.length))
    const answer: AnsweredSeat = {
      ...{ jobOutpoint, subjects, outputBytesMax: 1 << 20 },
      stage: 'validate',
      status: 'completed',
      agentKey: agent.identityKey,
      leaves: validated.map(({ leaf }) => leaf),
      workHash: workHash(agent.identityKey, jobOutpoint, bytes),
    }
    const unreadable = { kind: 'unreadable', why: expect.stringContaining(sha256) }
    expect(await check(answer)).toEqual(unreadable)
    expect(bed.troubles).toContain(`corrupt ${sha256}`)
    expect(await check(answer)).toEqual(unreadable)
  })

  const altered = writeWork(validated.map(each => ({ ...each, output: concat(each.output, utf8('{}\n')) })))

  test('is void where other bytes are stored than the result was signed over', async () => {
    expect(await checked('validate', validated, { stored: altered })).toEqual(voidFor('workHash'))
  })

  test('is void where it is another agent’s, copied with its hash', async () => {
    const copied = (honest: AnsweredSeat) => ({
      workHash: workHash(party('another agent').identityKey, honest.jobOutpoint, writeWork(validated)),
    })
    expect(await checked('validate', validated, { answer: copied })).toEqual(voidFor('workHash'))
  })

  test('is void where a leaf was copied and the bytes are others', async () => {
    const lie = validated.map(each => ({ ...each, output: utf8('{"made":"up"}\n') }))
    expect(await checked('validate', lie)).toEqual(voidFor('member 0 is not that of the bytes'))
  })

  test('is void where the leaves of the result are others than the stored ones', async () => {
    const leaves = [...normalized].map(({ leaf }) => leaf)
    expect(await checked('validate', validated, { answer: () => ({ leaves }) })).toEqual(
      voidFor('the leaf of member 0 is not the one in the result'),
    )
  })

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['ends early', bytes => bytes.slice(0, -1)],
    ['goes on after its end', bytes => concat(bytes, utf8('x'))],
    ['is nothing', () => none],
    ['is garbage', bytes => bytes.map(byte => byte ^ 0xa5)],
  ])('is void where it %s, though the result was signed over just that', async (_, change) => {
    const stored = change(writeWork(validated))
    const signed = ({ jobOutpoint }: AnsweredSeat) => ({
      workHash: workHash(agent.identityKey, jobOutpoint, stored),
    })
    expect((await checked('validate', validated, { stored, answer: signed })).kind).toBe('void')
  })

  test('is void where it is longer than the job allows', async () => {
    expect(await checked('validate', validated, { answer: () => ({ outputBytesMax: 10 }) })).toEqual(
      voidFor('the job allows 10'),
    )
  })

  test('is void where a stage that carries no state has one', async () => {
    const lie = normalized.map((each, i) => ({
      ...each,
      leaf: outcomeLeaf(subjects[i] ?? '', sha256Hex(each.output), sha256Hex('s')),
      state: utf8('s'),
    }))
    expect(await checked('normalize', lie)).toEqual(voidFor('its stage carries none'))
  })

  test.each<[string, (json: string) => string]>([
    ['not canonical', json => ` ${json}`],
    ['not JSON', () => '{'],
    ['not an object', () => '[]'],
    ['another manifest', json => json.replace('"count":', '"counts":')],
  ])('is void where a manifest is %s', async (_, change) => {
    const lie = certified.map(each => ({
      ...each,
      output: utf8(change(new TextDecoder().decode(each.output))),
    }))
    expect((await checked('certify', lie)).kind).toBe('void')
  })

  test('is void where a manifest holds what no database keeps, so that nobody decides on it', async () => {
    const lie = certified.map(each => {
      const json = new TextDecoder().decode(each.output)
      const output = utf8(json.replace(/"license":"[^"]*"/, '"license":"\\u0000"'))
      return { ...each, output, leaf: sha256Hex(output) }
    })
    expect(await checked('certify', lie)).toEqual(voidFor('U+0000 at /policy/license'))
  })

  test('is read one after the other where it would not all fit into memory', async () => {
    const jobOutpoint = { txid: sha256Hex('many at once'), vout: 0 }
    const bytes = writeWork(validated)
    orThrow(
      await bed.store.put(bytes, {
        holder: seatHolder(jobOutpoint),
        audience: 'restricted',
        readers: [],
        advertise: false,
        retainUntilMs: Date.now() + 3_600_000,
      }),
    )
    let reading = 0
    const held: number[] = []
    const open = openCheckWork({
      pool: bed.database.pool,
      store: {
        ...bed.store,
        async open(sha256, reader) {
          held.push(++reading)
          return bed.store.open(sha256, reader)
        },
      },
      at() {
        reading -= 1
      },
      bytesAtOnceMax: 10,
    })
    const answer: AnsweredSeat = {
      ...{ jobOutpoint, subjects, outputBytesMax: 1 << 20 },
      stage: 'validate',
      status: 'completed',
      agentKey: agent.identityKey,
      leaves: validated.map(({ leaf }) => leaf),
      workHash: workHash(agent.identityKey, jobOutpoint, bytes),
    }
    const results = await Promise.all([1, 2, 3].map(() => open(answer)))
    expect(results.map(({ kind }) => kind)).toEqual(['held', 'held', 'held'])
    expect(Math.max(...held)).toBe(1)
  })
})
