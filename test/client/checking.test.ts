import { describe, expect, test } from 'vitest'
import { readEventsMessage } from '../../src/client/subscribe/messages.ts'
import {
  partitionKey,
  readPosition,
  type Standings,
  writePosition,
} from '../../src/client/subscribe/position.ts'
import { type CheckingOptions, openChecking } from '../../src/client/subscribe/verify-as-you-read.ts'
import type { PacketContents } from '../../src/contract/packet-contents.ts'

const idOf = (packetNo: number) => `packet ${packetNo}`

/** One fused record in each packet, as a node tells of it. */
function lineOf(packetNo: number) {
  const where = { streamId: 's', partition: 0, packetNo, packetId: idOf(packetNo), line: 0 }
  const said = { type: 'fused', certificationLevel: 'basic', data: { packetNo }, versionId: 'v', ...where }
  const read = readEventsMessage(JSON.stringify(said))
  if (read?.type !== 'told' || read.message.type !== 'fused') throw new Error('no line')
  return read.message
}

/** What was certified of it; of a proof, what is asked of it here. */
function contentsOf(packetNo: number): PacketContents {
  const previous = packetNo === 0 ? null : idOf(packetNo - 1)
  return {
    verdict: { level: 'signed', versionId: 'v', notChecked: [], packet: { packetId: idOf(packetNo) } },
    header: { packetNo, streamId: 's', partition: 0, previous, level: 'basic' },
    events: [],
    output: [JSON.stringify({ packetNo })],
  } as unknown as PacketContents
}

/** A reader from the beginning, to whom the proofs of these packets come too late. */
function reader(late: readonly number[], from: Standings = { fromStart: true, places: new Map() }) {
  const options: CheckingOptions = {
    packets: {
      async contents(packetId) {
        const packetNo = Number(packetId.slice('packet '.length))
        if (!late.includes(packetNo)) return { kind: 'fetched', value: contentsOf(packetNo) }
        return { kind: 'missing', refusal: { code: 'x', status: 404, detail: 'too late', retryable: true } }
      },
      proof: async () => ({ kind: 'invalid', detail: 'no packet is empty' }),
    },
    ...{ required: 'signed', from, notDense: null },
  }
  const checking = openChecking(options)
  return {
    checking,
    /** What is found of these packets, told in this order. */
    async found(...packetNos: readonly number[]) {
      const said: string[] = []
      for (const packetNo of packetNos) {
        const found = await checking.line(lineOf(packetNo))
        said.push(found.kind === 'refused' ? found.code : [found.verified, ...found.notChecked].join('; '))
      }
      return said
    },
  }
}

describe('a proof that comes too late', () => {
  const behind = 'signed; whether anything is missing before it: what came before it could not be checked'

  test('costs its line alone: the next one is where the reader goes on', async () => {
    const said = await reader([2]).found(0, 1, 2, 3, 4, 80)
    expect(said).toEqual(['signed', 'signed', 'proof-missing', behind, 'signed', 'sequence-broken'])
    expect(await reader([0]).found(0, 1, 2)).toEqual(['proof-missing', behind, 'signed'])
  })

  test('lets nothing be told again that was read before it', async () => {
    const said = await reader([2]).found(0, 1, 2, 0, 1, 3)
    expect(said.slice(2)).toEqual(['proof-missing', 'sequence-broken', 'sequence-broken', behind])
  })

  test('is remembered in the position, so that a restart goes on too', async () => {
    const { checking, found } = reader([2])
    await found(0, 1, 2)
    const position = writePosition({ token: 'abc', standings: checking.standings() })
    const { standings } = readPosition(position)
    expect(standings.places.get(partitionKey('s', 0))).toEqual({ notBefore: { at: 2, line: 0 } })
    expect(await reader([], standings).found(1, 3, 4)).toEqual(['sequence-broken', behind, 'signed'])
  })
})
