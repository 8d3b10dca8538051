import { signOperatorWord } from '../../src/contract/operator.ts'
import type { OperatorRecord } from '../../src/core/rounds/coordinating/operators.ts'
import { stages } from '../../src/core/rounds/template.ts'
import type { CoordinatorBounds } from '../../src/jobs/bounds.ts'
import type { SeatNeed, SeatRules } from '../../src/jobs/choose-seats.ts'
import type { Directory, KnownAgent } from '../../src/jobs/ports.ts'
import { party } from '../support/pipeline.ts'

export const NOW_MS = 1_780_000_000_000

/** An agent of this operator; `north`, or `north 2` for its second one. */
export function agent(
  name: string,
  more: Partial<KnownAgent> = {},
  operatorToMs = NOW_MS + 86_400_000,
): KnownAgent {
  const operator = operatorOf(name)
  const agentKey = party(`agent ${name}`).identityKey
  const operatorFromMs = 0
  return {
    agentKey,
    word: {
      operator: operator.identityKey,
      operatorSig: signOperatorWord(operator.privateKey, agentKey, operatorFromMs, operatorToMs),
      operatorFromMs,
      operatorToMs,
    },
    endpoints: [`https://${name.replace(' ', '-')}.example`],
    packetsMax: 64,
    bytesMax: 64 * 1024 * 1024,
    satoshisPerThousandEvents: 10,
    region: undefined,
    expiresMs: NOW_MS + 3_600_000,
    reachable: true,
    reputation: 100,
    latencyMs: null,
    ...more,
  }
}

export function operatorOf(name: string) {
  return party(`operator ${name.split(' ')[0]}`)
}

/** Each agent works at every stage. */
export function directory(
  agents: readonly KnownAgent[],
  records: { readonly [operator: string]: Partial<OperatorRecord> } = {},
): Directory {
  const operators = [...new Set(agents.map(({ word }) => word.operator))]
  const known = new Map(
    Object.entries(records).map(([name, record]) => [operatorOf(name).identityKey, record]),
  )
  return {
    agents: stage => (stages.includes(stage) ? agents : []),
    operators: () =>
      operators.map(operator => ({
        ...{ operator, reachable: true, failurePoints: 0, doubleSpends: 0 },
        ...known.get(operator),
      })),
  }
}

export const anybody: SeatRules = {
  strategy: 'reputation',
  reputationMin: 70,
  priceMax: undefined,
  regions: [],
  operators: [],
}

export function need(more: Partial<SeatNeed> = {}): SeatNeed {
  return {
    stage: 'normalize',
    level: 'enhanced',
    operators: [],
    coordinator: party('log').identityKey,
    packets: 1,
    bytes: 1_000,
    nowMs: NOW_MS,
    deadlineMs: NOW_MS + 30_000,
    rotation: 0,
    ...more,
  }
}

export const planBounds: Pick<CoordinatorBounds, 'seats' | 'plan' | 'job'> = {
  seats: anybody,
  plan: { roundPackets: 64, roundBytes: 32 * 1024 * 1024, roundDocBytes: 4 * 1024 * 1024 },
  job: { fanOut: 'all', timeoutMs: 30_000, satsPerKb: 1, outputBytesMax: 1024 * 1024 * 1024 },
}
