import { setMaxListeners } from 'node:events'
import { createRequire } from 'node:module'
import { signer } from '#curve'
import type { AgentHealth } from '../../src/contract/messages.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { againstOperatorWord, type OperatorWord } from '../../src/contract/operator.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import type { PolicySet } from '../../src/core/policy/policy-set.ts'
import type { Stage, Template } from '../../src/core/rounds/template.ts'
import type { Log } from '../../src/runtime/log.ts'
import { openSeldom } from '../../src/runtime/seldom.ts'
import { type PayForAdverts, sponsoredBy } from './adverts.ts'
import type { AnswerAggregate } from './aggregate-task.ts'
import { type Answered, answerJob } from './answer-job.ts'
import { openBytesAtOnce } from './bytes-at-once.ts'
import { cached } from './cache.ts'
import { openCalls } from './call.ts'
import { openJobQueue } from './job-queue.ts'
import { areLocal, logsOf } from './logs.ts'
import { openAgentMetrics } from './metrics.ts'
import type { AnswerPacket } from './packet-task.ts'
import type { AgentJob } from './read-job.ts'
import { serve } from './serve.ts'
import type { AgentSettings } from './settings.ts'
import { openShown } from './shown.ts'
import { subscribe } from './subscribe.ts'
import { openOffers, type TakeOffer } from './take-offer.ts'

export type AgentOptions = {
  /** The stage that it works at. */
  readonly kind: Stage
  readonly answer: AnswerPacket
  /** Of a certifier: without it, jobs over windows and rollups are refused. */
  readonly answerAggregate?: AnswerAggregate | undefined
  readonly key: Issuer
  /** Who answers for it. */
  readonly operator: OperatorWord
  readonly settings: AgentSettings
  readonly log: Log
  now(): number
  /** Gets its jobs over connections that it opens itself, for agents that nobody can reach. */
  readonly subscribe?: boolean
  /** Without it a node is asked to. */
  readonly payForAdverts?: PayForAdverts
}

export type RunningAgent = {
  readonly url: string
  readonly agentKey: string
  /** Resolves once it is shown to coordinators; renewed from then on. Rejects where no node would do that. */
  advertise(): Promise<void>
  /** Takes no more, finishes what it has taken, withdraws its adverts. */
  stop(): Promise<void>
}

export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { kind, answerAggregate, key, operator, settings, log, now } = options
  const against = againstOperatorWord(operator, key.identityKey, now())
  if (against !== undefined)
    throw new Error(`this agent cannot start: ${against}. \`assay keys operator-word\` makes another word.`)

  const startedMs = now()
  let isLocal = false
  const { call, close } = openCalls({ nodes: settings.AGENT_NODES, isLocal: () => isLocal })
  const ended = new AbortController()
  // Each call listens to it while it lasts.
  setMaxListeners(0, ended.signal)
  const counts = { completed: 0, failed: 0, rejected: 0 }
  let coordinators: ReadonlySet<string> = new Set(settings.AGENT_LOGS)
  let stopped: Promise<void> | undefined

  const memory = settings.EVENT_PROCESSING_CACHE_ENABLED
    ? cached(options.answer, {
        bytesMax: settings.EVENT_PROCESSING_CACHE_SIZE_MB * 1024 * 1024,
        now,
        onLookup: outcome => metrics.cache.inc({ outcome }),
      })
    : { answer: options.answer, bytes: () => 0 }
  const policies = new Map<string, PolicySet>()
  const bytesAtOnce = openBytesAtOnce(settings.AGENT_BYTES_MAX, () => coordinators.size)
  const work = async (job: AgentJob): Promise<boolean> => {
    const begunMs = performance.now()
    try {
      const answered = await answerJob(job, {
        ...{ call, key, policies, now, answer: memory.answer, stop: ended.signal, bytesAtOnce },
        answerAggregate,
        bytesMax: settings.AGENT_BYTES_MAX,
        onRetry(error) {
          metrics.retries.inc()
          log.warn({ ...named(job), err: error }, 'a step of a job has failed, and is taken again')
        },
      })
      counts[answered.status] += 1
      metrics.jobs.inc({ outcome: answered.status })
      metrics.bytes.inc(answered.outputBytes)
      metrics.seconds.observe((performance.now() - begunMs) / 1000)
      for (const { fault } of answered.faults) metrics.unanswered.inc({ code: fault.code })
      report(job, answered, log)
      return true
    } catch (error) {
      counts.failed += 1
      metrics.jobs.inc({ outcome: 'unanswered' })
      log.error({ ...named(job), err: error }, 'a job stays without an answer')
      return false
    }
  }
  const queue = openJobQueue({
    atOnce: settings.EVENT_PARALLEL_PROCESSING_ENABLED ? settings.EVENT_PARALLEL_WORKERS : 1,
    waitingMax: settings.AGENT_JOBS_WAITING_MAX,
    logs: () => coordinators.size,
    work,
  })
  const metrics = openAgentMetrics({
    running: queue.running,
    waiting: queue.waiting,
    bytesRunning: bytesAtOnce.held,
    cacheBytes: memory.bytes,
  })

  const { identityKey: agentKey } = key
  const packetsMax = settings.AGENT_PACKETS_MAX
  const templates: Template[] = answerAggregate === undefined ? ['packet'] : ['packet', 'aggregate']
  const judgeOffer = openOffers(
    () => ({
      ...{ kind, agentKey, operator: operator.operator, coordinators, packetsMax, templates },
      jobMsMax: settings.AGENT_JOB_MS_MAX,
    }),
    queue,
    now,
  )
  const seldom = openSeldom()
  const takeOffer: TakeOffer = beef => {
    const outcome = judgeOffer(beef)
    metrics.offers.inc({ outcome: outcome.kind })
    if (outcome.kind === 'refused') {
      const { fault, jobTx } = outcome
      seldom(fault.code, leftOut => log.warn({ fault, jobTx, leftOut }, 'an offer is not taken'))
    }
    return outcome
  }
  const health = (): AgentHealth => ({
    status: stopped === undefined ? 'ready' : 'draining',
    agentKey,
    capabilities: [kind],
    version,
    signer,
    jobs: { running: queue.running() + queue.waiting(), ...counts },
    startedMs,
  })
  const served = await serve({
    host: settings.AGENT_HOST,
    port: settings.AGENT_PORT,
    topic: baseTopics[kind],
    takeOffer,
    health,
    registry: metrics.registry,
    onFailure: error => log.error({ err: error }, 'a request has failed'),
  })
  const url = settings.AGENT_PUBLIC_URL ?? `http://${inUrl(settings.AGENT_HOST)}:${served.port}`

  const nodes = settings.AGENT_NODES
  const isSubscriber = options.subscribe ?? false
  const subscriptions = (isSubscriber ? nodes : []).map(node => {
    const onLost = (error: Error) =>
      seldom(`${node} ${error.message}`, leftOut =>
        log.warn({ err: error, node, leftOut }, 'a subscription is lost, and opened again'),
      )
    return subscribe({ node, kind, key, takeOffer, onLost })
  })
  const shown = openShown({
    profile: {
      ...{ kind, key, operator, packetsMax },
      endpoints: isSubscriber ? nodes : [url],
      hostAt: isSubscriber ? undefined : url,
      bytesMax: settings.AGENT_BYTES_MAX,
      satoshisPerThousandEvents: settings.AGENT_PRICE,
      region: settings.AGENT_REGION,
    },
    pay: options.payForAdverts ?? sponsoredBy(nodes, call),
    lifetimeMs: settings.AGENT_ADVERT_HOURS * 3_600_000,
    ...{ key, nodes, call, log, now },
  })
  const stop = async () => {
    const drained = [queue.drain(settings.AGENT_DRAIN_MS_MAX), ...subscriptions.map(each => each.stop())]
    // Withdrawn at once, so that no further seats are made for it while it finishes those it has.
    await Promise.all([...drained, shown.withdraw()])
    ended.abort()
    await served.close()
    close()
  }
  return {
    url,
    agentKey,
    async advertise() {
      isLocal = await areLocal(nodes, call)
      if (settings.AGENT_LOGS.length === 0) coordinators = new Set(await logsOf(nodes, call))
      if (isSubscriber) await Promise.race(subscriptions.map(each => each.subscribed))
      await shown.show()
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
  }
}

const version = String(createRequire(import.meta.url)('assay/package.json').version)

function report(job: AgentJob, { status, faults, refusal }: Answered, log: Log): void {
  for (const { packetId, fault } of faults)
    log.warn({ ...named(job), packetId, fault }, 'a packet gets no answer')
  if (refusal !== undefined) log.warn({ ...named(job), fault: refusal }, 'a job is refused')
  log.debug({ ...named(job), status }, 'a job is answered')
}

function named({ transaction, seat, facts }: AgentJob) {
  return { jobTx: transaction.txid, seat, round: facts.subject, stage: facts.stage }
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
