import type { CheckWork } from '../../../src/adapters/rounds/check-work.ts'
import type { ContentStore } from '../../../src/adapters/uhrp/content-store.ts'
import { seatHolder } from '../../../src/adapters/uhrp/holder.ts'
import { readWork, writeWork } from '../../../src/contract/work.ts'
import { utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { noLeaf } from '../../../src/core/rounds/pipeline.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import type { HeldRound } from '../../../src/jobs/ports.ts'
import { contentOn } from '../../support/decided-round.ts'
import { decidedAs, jobOf, leaf, type RoundsBed, roundsBed, type Store } from './rounds-bed.ts'

/** A round with something of everything that people look at, and what its agents have stored. */
export type DisputedBed = {
  readonly bed: RoundsBed
  readonly store: Store
  readonly content: ContentStore
  /** Normalised by two against one, then closed; its first packet was given up in a round of its own. */
  readonly roundId: string
  readonly packetIds: readonly string[]
  /** What the quorum, and what the third one, has stored for the second packet. */
  readonly outputs: { readonly quorum: string; readonly dissenting: string }
  end(): Promise<void>
}

const outputs = {
  quorum: '{"line":0}\n{"line":1,"value":20}\n{"line":2}\n',
  dissenting: '{"line":0}\n{"line":1,"value":70}\n',
}

export async function disputedBed(): Promise<DisputedBed> {
  const bed = await roundsBed()
  const content = await contentOn(bed.fuelBed.bed.database.pool)
  const store = bed.store({ checkWork: storedWork(content.store) })
  const round = await openOne(bed, store)
  await bed.seen(store, round)
  for (const seat of [0, 1]) await bed.answer(round, seat, [leaf('0'), leaf('quorum')])
  await bed.answer(round, 2, [leaf('0'), leaf('dissenting')])
  const news = await bed.newsOf(store, round)
  const heard = { ...round, job: { ...jobOf(round), results: news?.results ?? [] } }
  const decided = decidedAs('advance', heard, bed.decide(heard, news))
  await store.advance(heard.lease, decided, bed.next(heard, decided.decision))
  await store.letGo()
  const [validating] = await store.take(10)
  if (validating === undefined) throw new Error('there is no round to take')
  await bed.seen(store, validating)
  await close(bed, store, validating)
  await bed.query('update packet_standings set tries = 4 where packet_no = 0')
  const again = await openOne(bed, store)
  await bed.seen(store, again)
  await close(bed, store, again)
  return {
    ...{ bed, store, outputs },
    content: content.store,
    roundId: round.lease.roundId,
    packetIds: round.packets.map(({ packetId }) => packetId),
    async end() {
      await bed.end()
      await content.close()
    },
  }
}

/** Stores, in the place of each agent, what its leaves are called after. */
function storedWork(content: ContentStore): CheckWork {
  return async ({ jobOutpoint, leaves }) => {
    const bytes = writeWork(
      leaves.map(each => {
        const text =
          each === leaf('quorum') ? outputs.quorum : each === leaf('dissenting') ? outputs.dissenting : '{}\n'
        return { leaf: each, output: utf8(text), state: utf8('') }
      }),
    )
    const { sha256 } = orThrow(
      await content.put(bytes, {
        holder: seatHolder(jobOutpoint),
        audience: 'restricted',
        retainUntilMs: Date.now() + 600_000,
      }),
    )
    const outcomes = orThrow(readWork(bytes, leaves.length, 10_000)).flatMap((work, member) =>
      work.leaf === noLeaf
        ? []
        : [
            {
              ...{ member, leaf: work.leaf, outputHash: sha256Hex(work.output), stateOut: null },
              outputAt: work.output.byteOffset - bytes.byteOffset,
              outputBytes: work.output.length,
              stateAt: work.state.byteOffset - bytes.byteOffset,
              stateBytes: 0,
            },
          ],
    )
    return { kind: 'held', sha256, bytes: bytes.length, outcomes }
  }
}

async function openOne(bed: RoundsBed, store: Store): Promise<HeldRound> {
  const planned = await bed.plan(store)
  const [round] = planned.kind === 'planned' ? planned.opened : []
  if (round === undefined) throw new Error(`no round was opened: ${JSON.stringify(planned)}`)
  return round
}

/** Nobody answers in time. */
async function close(bed: RoundsBed, store: Store, round: HeldRound): Promise<void> {
  const decided = decidedAs('close', round, bed.decide(round, undefined, true))
  await store.close(round.lease, decided, bed.close(round))
  await store.closed(round.lease)
}
