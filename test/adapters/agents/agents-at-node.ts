import { type OpenDirectory, openDirectory } from '../../../src/adapters/agents/directory.ts'
import { type JobBeef, openJobBeef } from '../../../src/adapters/agents/job-beef.ts'
import { openSeatOffers } from '../../../src/adapters/agents/seat-offers.ts'
import { openSponsor, type SponsorDeps } from '../../../src/adapters/agents/sponsor.ts'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { hostAdvertScript } from '../../../src/contract/host-advert.ts'
import { baseTopics } from '../../../src/contract/names.ts'
import { signOperatorWord } from '../../../src/contract/operator.ts'
import { jobOutputs } from '../../../src/contract/pipeline-outputs.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { toHex } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { JobFacts, Outpoint } from '../../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../../src/core/rounds/template.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import type { SeatOffers } from '../../../src/jobs/ports.ts'
import { type AgentAdvertChange, agentAdvertScript } from '../../support/agent-adverts.ts'
import { type Party, party } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { type FuelBed, fuelBed } from '../fuel/fuel-bed.ts'

/** The node's side of agents over a real overlay with fuel; agents are whoever a test makes them. */
export type AgentsAtNode = FuelBed & {
  readonly coordinator: Party
  directory(deps?: Partial<Parameters<typeof openDirectory>[0]>): OpenDirectory
  sponsor(deps?: Partial<SponsorDeps>): ReturnType<typeof openSponsor>
  /** The agent's adverts, admitted; resolves with their transaction. */
  advertise(change: AdvertChange): Promise<string>
  offers(jobBeef?: JobBeef, now?: () => number): SeatOffers
  /** A job with these seats, which the network has. */
  job(name: string, seats: readonly SeatOf[], change?: JobChange): Promise<Transaction>
}

export type AdvertChange = AgentAdvertChange & { stages?: readonly Stage[]; url?: string }
export type SeatOf = {
  readonly agent: Party
  readonly endpoints: readonly string[]
  readonly isReserve?: boolean
}
export type JobChange = { readonly stage?: Stage; readonly deadlineMs?: number; readonly seen?: boolean }

export const hourMs = 3_600_000

export async function agentsAtNode(): Promise<AgentsAtNode> {
  const fuelled = await fuelBed()
  const { bed, fuel } = fuelled
  const { pool } = bed.database
  const coordinator = party('coordinator')
  await fuelled.fill()
  // Blocks come, so that coins do not run out.
  const stopMining = bed.chain.startMiner({ intervalMs: 25 })
  const sponsor = (deps: Partial<SponsorDeps> = {}) =>
    openSponsor({
      ...{ pool, fuel, allowLocal: true, operators: [], now: Date.now },
      beefOf: openJobBeef(fuel),
      at: () => undefined,
      onAdvert: () => undefined,
      ...deps,
    })
  return {
    ...fuelled,
    coordinator,
    directory: (deps = {}) =>
      openDirectory({
        ...{ pool, allowLocal: true, operators: [], now: Date.now },
        onFailure(error) {
          throw error
        },
        ...deps,
      }),
    sponsor,
    async advertise(change) {
      const paid = await sponsor()(advertScripts(change))
      if (paid.kind !== 'paid') throw new Error(JSON.stringify(paid))
      return paid.txid
    },
    offers: (jobBeef = openJobBeef(fuel), now = Date.now) =>
      openSeatOffers({
        ...{ pool, jobBeef, now, at: () => undefined },
        outgoing: openOutgoing({ network: 'local' }),
      }),
    async job(name, seats, { stage = 'normalize', deadlineMs = Date.now() + hourMs, seen = true } = {}) {
      const facts: JobFacts = {
        coordinator: coordinator.identityKey,
        subject: sha256Hex(`round ${name}`),
        template: 'packet',
        stage,
        level: 'basic',
        members: [0],
        inputRoot: '0'.repeat(64),
        inputHash: sha256Hex(`document ${name}`),
        deadlineMs,
        outputBytesMax: 1 << 20,
      }
      const seated = seats.map(({ agent }) => ({
        agentKey: agent.identityKey,
        word: {
          operator: operatorOf(agent).identityKey,
          operatorSig: signOperatorWord(operatorOf(agent).privateKey, agent.identityKey, 0, deadlineMs),
          operatorFromMs: 0,
          operatorToMs: deadlineMs,
        },
        satoshis: 50,
      }))
      const outputs = (inputs: readonly Outpoint[]) =>
        jobOutputs(coordinator, facts, seated, ['http://127.0.0.1:1/rounds'], inputs)
      const transaction = orThrow(
        await fuel.write({ subject: facts.subject, stage, rebuild: 0 }, { spends: [], outputs, topics: [] }),
      )
      await pool.query(
        `insert into rounds (round_id, template, level, audience, attempt, document, input_hash, roster_digest, state,
          made_ms) values ($1, 'packet', 'basic', 'public', 1, '{}', $2, $2, 'open', 0)`,
        [bytea(facts.subject), bytea(facts.inputHash)],
      )
      await pool.query(
        `insert into round_jobs (txid, round_id, template, stage, level, members, input_root, rebuild, deadline_ms,
          output_bytes_max, fan_out, made_ms, seen_ms)
          values ($1, $2, 'packet', $3, 'basic', '{0}', $4, 0, $5, 1048576, 'all', 0, $6)`,
        [
          bytea(transaction.txid),
          bytea(facts.subject),
          stage,
          bytea(facts.inputRoot),
          deadlineMs,
          seen ? Date.now() : null,
        ],
      )
      for (const [vout, { agent, endpoints, isReserve = false }] of seats.entries())
        await pool.query(
          `insert into round_seats (job_tx, vout, stage, agent_key, operator, endpoints, satoshis, is_reserve,
            next_run_ms, made_ms) values ($1, $2, $3, $4, $5, $6, 50, $7, 0, 0)`,
          [
            bytea(transaction.txid),
            vout,
            stage,
            bytea(agent.identityKey),
            bytea(operatorOf(agent).identityKey),
            endpoints,
            isReserve,
          ],
        )
      return transaction
    },
    async close() {
      await stopMining()
      await fuelled.close()
    },
  }
}

/** Each agent has an operator of its own. */
export function operatorOf(agent: Party): Party {
  return party(`operator of ${agent.identityKey}`)
}

/** Its own advert, and one for the topic of each of its stages. */
export function advertScripts({
  stages = ['normalize'],
  url = 'http://127.0.0.1:9',
  ...change
}: AdvertChange): string[] {
  const { agent = party('agent') } = change
  const own = agentAdvertScript({
    capabilities: [...stages],
    endpoints: [url],
    operatorParty: operatorOf(agent),
    expiresMs: Date.now() + hourMs,
    ...change,
  })
  return [own, ...stages.map(stage => hostAdvertScript('SHIP', agent, url, baseTopics[stage]))].map(toHex)
}

export async function seatRow({ bed }: FuelBed, jobTx: string, vout: number): Promise<SeatRow> {
  const { rows } = await bed.database.pool.query<SeatRow>(
    `select state, attempts, steak, offered_ms as "offeredMs", acknowledged_ms as "acknowledgedMs", last_error as error
      from round_seats where job_tx = $1 and vout = $2`,
    [bytea(jobTx), vout],
  )
  return until(() => rows[0])
}

export type SeatRow = {
  readonly state: string
  readonly attempts: number
  readonly steak: unknown
  readonly offeredMs: number | null
  readonly acknowledgedMs: number | null
  readonly error: string | null
}
