import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FuelLevel } from '../adapters/fuel/fuel.ts'
import { ROUNDS_PATH } from '../contract/round-locations.ts'
import type { Issuer } from '../contract/tokens.ts'
import type { JobRules } from '../core/jobs/job-template.ts'
import { leaveLimits } from '../core/rounds/coordinating/leave.ts'
import { planLimits } from '../core/rounds/coordinating/plan.ts'
import type { CoordinatorBounds } from '../jobs/bounds.ts'
import { type Coordinator, startCoordinator } from '../jobs/coordinator.ts'
import { DEGRADED_PATIENCE_MS, type Mode, modeAfter, modeAtFirst } from '../jobs/mode.ts'
import { OFFERS_AT_ONCE_MAX } from '../jobs/offer-seats.ts'
import { paceBounds } from '../jobs/pace.ts'
import { seatableLevels } from '../jobs/plan-rounds.ts'
import type { Directory, RoundStore, SeatOffers } from '../jobs/ports.ts'
import { RETRY_MS_MAX, type RetryBounds, retryAfter } from '../jobs/retry-after.ts'
import { crashPoint } from '../runtime/crash-point.ts'
import type { Log } from '../runtime/log.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { repeat } from '../runtime/repeat.ts'
import { openRoundMetrics } from '../runtime/round-metrics.ts'
import { openSeldom } from '../runtime/seldom.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Stops } from '../runtime/stops.ts'

export type NodeRounds = {
  /** Worth a look: a packet is sealed (`packet`), or the network has said something (`news`). */
  wake(why?: 'packet' | 'news'): void
  /** The network has a transaction that spends outputs of these: perhaps an agent's answer. */
  answered: Coordinator['answered']
  mode(): Mode
}

export type NodeRoundsDeps = {
  /** `backlog`: events in packets of which there is no certificate yet; `strangers`: packets of another log than ours. */
  readonly store: RoundStore & { backlog(): Promise<number>; strangers(): Promise<number> }
  readonly directory: Directory
  readonly offers: SeatOffers
  readonly keys: { readonly log: Issuer }
  readonly fuel: { level(): Promise<FuelLevel> }
  /** Where this node can be reached; undefined where nobody knows. */
  address(): string | undefined
  /** How far the event loop lags behind, in milliseconds; measured here where nothing is given. */
  pressure?(): number
  /** A round waits for its certificate. */
  handedOver?(): void
  readonly log: Log
  readonly metrics: Metrics
  readonly stops: Stops
  now(): number
}

/** From sealed packets to decided rounds, beside every other node of this database. */
export function openNodeRounds(settings: RoundSettings, deps: NodeRoundsDeps): NodeRounds {
  const { store, directory, offers, keys, fuel, address, log, metrics, stops, now } = deps
  const bounds = coordinatorBounds(settings)
  const isOrchestrated = orchestrates(settings)
  const seldom = openSeldom()
  const locations = () => {
    const at = address()
    return at === undefined ? [] : [at.replace(/\/$/, '') + ROUNDS_PATH]
  }
  const lag = deps.pressure === undefined ? openLag() : { ms: deps.pressure, stop: () => {} }

  let state = modeAtFirst
  let hasFuel = true
  let strangers = 0
  const counted = openRoundMetrics(metrics.registry, {
    load: () => coordinator.load(),
    isDegraded: () => state.why !== undefined,
    strangers: () => strangers,
  })
  const coordinator: Coordinator = startCoordinator({
    ...{ store, directory, offers, log: keys.log, locations, bounds, repeat, now },
    opens: () => isOrchestrated,
    lagMs: lag.ms,
    random: Math.random,
    at: crashPoint,
    handedOver: () => deps.handedOver?.(),
    onRound: counted.round,
    onOffer: counted.offer,
    onLost(roundId) {
      counted.lost()
      log.info({ roundId }, 'a round is somebody else’s now')
    },
    onFailure(error, roundId) {
      counted.failure()
      seldom(error instanceof Error ? error.message : 'rounds', leftOut =>
        log.warn({ err: error, roundId, leftOut }, 'a round could not go on, and is tried again'),
      )
    },
  })
  stops.add('rounds', async () => {
    await coordinator.stop()
    lag.stop()
  })

  const watching = repeat(
    async () => {
      const level = await fuel.level()
      const {
        seatable = seatableLevels({ directory, log: keys.log, locations: locations(), bounds }, now()),
        fault,
      } = coordinator.load()
      hasFuel = fault === undefined && level.outputs > 0
      strangers = tellOfStrangers(strangers, await store.strangers(), log)
      const before = state.mode
      state = modeAfter(
        state,
        {
          seatable: seatable.size > 0,
          hasFuel,
          backlogEvents: await store.backlog(),
          nowMs: performance.now(),
        },
        modeRules(settings),
      )
      if (state.mode === before) return
      if (state.why === undefined) log.info('packets go to agents again')
      else if (state.why === 'off') log.info(degradedWords.local)
      else log.error({ mode: state.mode, why: state.why }, degradedWords[state.mode])
    },
    {
      everyMs: WATCH_MS,
      onFailure: error =>
        seldom('mode', leftOut =>
          log.warn({ err: error, leftOut }, 'whether packets can go to agents could not be found out'),
        ),
    },
  )
  stops.add('watching of agents and fuel', watching.stop)

  return { wake: coordinator.wake, answered: coordinator.answered, mode: () => state.mode }
}

type RoundSettings = Pick<
  Settings,
  | 'BRC22_JOB_ORCHESTRATION_ENABLED'
  | 'EVENT_PROCESSING_AGENTS_ENABLED'
  | 'EVENT_CERTIFICATION_REQUIRED'
  | 'EVENT_AGENT_SELECTION_STRATEGY'
  | 'EVENT_AGENT_REPUTATION_MIN'
  | 'EVENT_AGENT_PRICE_MAX'
  | 'EVENT_AGENT_REGIONS'
  | 'EVENT_OPERATORS'
  | 'ROUND_MS'
  | 'ROUND_PACKETS_MAX'
  | 'ROUND_BYTES_MAX'
  | 'ROUNDS_AT_ONCE_MAX'
  | 'EVENT_FAN_OUT'
  | 'EVENT_PROCESSING_TIMEOUT_MS'
  | 'EVENT_PARALLEL_PROCESSING_ENABLED'
  | 'EVENT_PARALLEL_WORKERS'
  | 'INGEST_RETRY_MAX'
  | 'EVENT_DECIDE_MS_MAX'
  | 'INGEST_BACKOFF_BASE_MS'
  | 'INGEST_BACKOFF_FACTOR'
  | 'EVENT_JOB_RETRY_MAX'
  | 'EVENT_DEGRADED_MODE'
  | 'EVENT_DEGRADED_BACKLOG_EVENTS'
  | 'FUEL_SATS_PER_KB'
  | 'UHRP_OBJECT_BYTES_MAX'
>

export function coordinatorBounds(settings: RoundSettings): CoordinatorBounds {
  const isParallel = settings.EVENT_PARALLEL_PROCESSING_ENABLED
  const retry = retryBounds(settings)
  return {
    seats: {
      strategy: settings.EVENT_AGENT_SELECTION_STRATEGY,
      reputationMin: settings.EVENT_AGENT_REPUTATION_MIN,
      priceMax: settings.EVENT_AGENT_PRICE_MAX,
      regions: settings.EVENT_AGENT_REGIONS,
      operators: settings.EVENT_OPERATORS,
    },
    plan: {
      ...planLimits,
      roundPackets: settings.ROUND_PACKETS_MAX,
      roundBytes: settings.ROUND_BYTES_MAX,
    },
    leave: {
      ...leaveLimits,
      triesMax: settings.INGEST_RETRY_MAX,
      decideMs: settings.EVENT_DECIDE_MS_MAX,
    },
    pace: { ...paceBounds, roundMs: settings.ROUND_MS },
    offers: {
      perAgent: isParallel ? settings.EVENT_PARALLEL_WORKERS : 1,
      atOnce: isParallel ? OFFERS_AT_ONCE_MAX : 1,
      triesMax: settings.EVENT_JOB_RETRY_MAX,
      retry,
    },
    retry,
    job: {
      fanOut: settings.EVENT_FAN_OUT,
      timeoutMs: settings.EVENT_PROCESSING_TIMEOUT_MS,
      satsPerKb: settings.FUEL_SATS_PER_KB,
      outputBytesMax: settings.UHRP_OBJECT_BYTES_MAX,
    },
    roundsAtOnce: settings.ROUNDS_AT_ONCE_MAX,
  }
}

/** What is shown of how rounds are made. */
export function jobRules({ seats, job, leave }: CoordinatorBounds): JobRules {
  return {
    minimumReputation: seats.reputationMin,
    regions: seats.regions,
    maxProcessingMs: job.timeoutMs,
    maxRetries: leave.triesMax - 1,
  }
}

/** How long a packet waits that has left a round. */
export function packetRetryMs(
  settings: RetrySettings,
  random: () => number = Math.random,
): (packet: { readonly tries: number }) => number {
  const bounds = retryBounds(settings)
  return ({ tries }) => retryAfter(tries, bounds, random)
}

type RetrySettings = Pick<Settings, 'INGEST_BACKOFF_BASE_MS' | 'INGEST_BACKOFF_FACTOR'>

function retryBounds(settings: RetrySettings): RetryBounds {
  return {
    baseMs: settings.INGEST_BACKOFF_BASE_MS,
    factor: settings.INGEST_BACKOFF_FACTOR,
    longestMs: RETRY_MS_MAX,
  }
}

/** One that is false is enough. Without certificates nothing would come of what agents say. */
function orchestrates(settings: RoundSettings): boolean {
  return (
    settings.BRC22_JOB_ORCHESTRATION_ENABLED &&
    settings.EVENT_PROCESSING_AGENTS_ENABLED &&
    settings.EVENT_CERTIFICATION_REQUIRED
  )
}

function modeRules(settings: RoundSettings) {
  return {
    orchestrated: orchestrates(settings),
    degraded: settings.EVENT_DEGRADED_MODE,
    backlogEvents: settings.EVENT_DEGRADED_BACKLOG_EVENTS,
    patienceMs: DEGRADED_PATIENCE_MS,
  }
}

const WATCH_MS = 1_000

/** Once, and again where there are more. */
function tellOfStrangers(before: number, packets: number, log: Log): number {
  if (packets > before)
    log.error(
      { packets },
      'sealed packets are of a log that this node has not the key of: no round is made of them. Start it with the key that they were sealed under',
    )
  return packets
}

const degradedWords: { readonly [mode in Mode]: string } = {
  agents: 'packets go to agents, and this node falls behind',
  local:
    'packets cannot go to agents: this node processes them by itself, up to validated, which is no consensus',
  waiting: 'packets cannot go to agents, and wait until they can',
}

const LAG_RESOLUTION_MS = 20

function openLag() {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  delay.enable()
  const clearing = setInterval(() => delay.reset(), 10_000)
  clearing.unref()
  return {
    // The delay of an idle loop is the resolution itself.
    ms: () => (delay.count === 0 ? 0 : Math.max(0, delay.mean / 1e6 - LAG_RESOLUTION_MS)),
    stop() {
      clearInterval(clearing)
      delay.disable()
    },
  }
}
