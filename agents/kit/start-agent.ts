import { createRequire } from 'node:module'
import { signer } from '#curve'
import type { Beef } from '../../src/contract/beef.ts'
import type { AgentHealth } from '../../src/contract/messages.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { againstOperatorWord, type OperatorWord } from '../../src/contract/operator.ts'
import type { Issuer } from '../../src/contract/tokens.ts'
import type { PolicySet } from '../../src/core/policy/policy-set.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { backOff } from '../../src/runtime/back-off.ts'
import type { Log } from '../../src/runtime/log.ts'
import { pause } from '../../src/runtime/pause.ts'
import { openSeldom } from '../../src/runtime/seldom.ts'
import {
  type AgentProfile,
  advertScripts,
  type PayForAdverts,
  sponsoredBy,
  submitWithdrawal,
  withdrawal,
} from './adverts.ts'
import { answerJob } from './answer-job.ts'
import { openCalls } from './call.ts'
import { type JobQueue, openJobQueue } from './job-queue.ts'
import { logsOf } from './logs.ts'
import { openAgentMetrics } from './metrics.ts'
import type { AnswerPacket } from './packet-task.ts'
import type { AgentJob } from './read-job.ts'
import { serve } from './serve.ts'
import type { AgentSettings } from './settings.ts'
import { subscribe } from './subscribe.ts'
import { openOffers, type TakeOffer } from './take-offer.ts'

export type AgentOptions = {
  /** The stage that it works at. */
  readonly kind: Stage
  readonly answer: AnswerPacket
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
  const { kind, answer, key, operator, settings, log, now } = options
  const against = againstOperatorWord(operator, key.identityKey, now())
  if (against !== undefined)
    throw new Error(`this agent cannot start: ${against}. \`assay keys operator-word\` makes another word.`)

  const startedMs = now()
  const seldom = openSeldom()
  const { call, close } = openCalls()
  const stopping = new AbortController()
  const policies = new Map<string, PolicySet>()
  const counts = { completed: 0, failed: 0, rejected: 0 }
  let coordinators = new Set(settings.AGENT_LOGS)
  let isDraining = false
  const ended = new AbortController()

  const queue: JobQueue = openJobQueue({
    atOnce: settings.EVENT_PARALLEL_PROCESSING_ENABLED ? settings.EVENT_PARALLEL_WORKERS : 1,
    waitingMax: settings.AGENT_JOBS_WAITING_MAX,
    work: async job => {
      const begunMs = performance.now()
      try {
        const answered = await answerJob(job, {
          call,
          key,
          answer,
          bytesMax: settings.AGENT_BYTES_MAX,
          policies,
          now,
          stop: ended.signal,
          onRetry(_, error) {
            metrics.retries.inc()
            log.warn({ ...named(job), err: error }, 'a step of a job has failed, and is taken again')
          },
        })
        counts[answered.status] += 1
        metrics.jobs.inc({ outcome: answered.status })
        metrics.bytes.inc(answered.outputBytes)
        metrics.seconds.observe((performance.now() - begunMs) / 1000)
        for (const { packetId, fault } of answered.faults) {
          metrics.unanswered.inc({ code: fault.code })
          log.warn({ ...named(job), packetId, fault }, 'a packet gets no answer')
        }
        if (answered.refusal !== undefined)
          log.warn({ ...named(job), fault: answered.refusal }, 'a job is refused')
        log.debug({ ...named(job), status: answered.status }, 'a job is answered')
        return true
      } catch (error) {
        counts.failed += 1
        metrics.jobs.inc({ outcome: 'unanswered' })
        log.error({ ...named(job), err: error }, 'a job stays without an answer')
        return false
      }
    },
  })
  const metrics = openAgentMetrics(queue)
  const judgeOffer = openOffers(
    () => ({
      kind,
      agentKey: key.identityKey,
      operator: operator.operator,
      coordinators,
      packetsMax: settings.AGENT_PACKETS_MAX,
    }),
    queue,
    now,
  )
  const takeOffer: TakeOffer = beef => {
    const outcome = judgeOffer(beef)
    metrics.offers.inc({ outcome: outcome.kind })
    if (outcome.kind === 'refused')
      seldom(outcome.fault.code, leftOut =>
        log.warn({ fault: outcome.fault, jobTx: outcome.jobTx, leftOut }, 'an offer is not taken'),
      )
    return outcome
  }
  const health = (): AgentHealth => ({
    status: isDraining ? 'draining' : 'ready',
    agentKey: key.identityKey,
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

  const isSubscriber = options.subscribe ?? false
  const profile: AgentProfile = {
    kind,
    key,
    operator,
    endpoints: isSubscriber ? settings.AGENT_NODES : [url],
    hostAt: isSubscriber ? undefined : url,
    packetsMax: settings.AGENT_PACKETS_MAX,
    bytesMax: settings.AGENT_BYTES_MAX,
    satoshisPerThousandEvents: settings.AGENT_PRICE,
    region: settings.AGENT_REGION,
  }
  const pay = options.payForAdverts ?? sponsoredBy(settings.AGENT_NODES, call)
  let shown: { readonly beef: Beef; readonly count: number } | undefined
  let renewing: Promise<void> | undefined
  const subscriptions = (isSubscriber ? settings.AGENT_NODES : []).map(node => {
    const onLost = (error: Error) =>
      log.warn({ err: error, node }, 'the subscription is lost, and opened again')
    return subscribe({ node, kind, key, takeOffer, onLost })
  })

  const learnLogs = async () => {
    if (settings.AGENT_LOGS.length === 0) coordinators = new Set(await logsOf(settings.AGENT_NODES, call))
  }
  const show = async () => {
    const before = shown
    const scripts = advertScripts(profile, now() + lifetimeMs)
    shown = { beef: await pay(scripts), count: scripts.length }
    // The new one counts already, and who looks in between finds both.
    if (before !== undefined) await withdraw(before.beef, before.count)
  }
  const withdraw = async (beef: Beef, count: number) => {
    const spent = withdrawal(beef, count, key)
    for (const node of settings.AGENT_NODES) {
      try {
        return await submitWithdrawal(node, spent, call)
      } catch (error) {
        log.warn({ err: error }, 'adverts are not withdrawn here')
      }
    }
  }
  const lifetimeMs = settings.AGENT_ADVERT_HOURS * 3_600_000
  const renew = async () => {
    let failures = 0
    while (!stopping.signal.aborted) {
      await pause(failures === 0 ? lifetimeMs / 2 : backOff(failures), stopping.signal)
      if (stopping.signal.aborted) return
      try {
        await show()
        failures = 0
      } catch (error) {
        failures += 1
        log.warn({ err: error }, 'the adverts are not renewed, which is tried again')
      }
    }
  }

  return {
    url,
    agentKey: key.identityKey,
    async advertise() {
      await learnLogs()
      if (isSubscriber) await Promise.race(subscriptions.map(({ subscribed }) => subscribed))
      await show()
      renewing ??= renew()
    },
    async stop() {
      if (isDraining) return
      isDraining = true
      stopping.abort()
      await renewing
      // Withdrawn first, so that no further seats are made for it while it finishes those it has.
      const withdrawn = shown === undefined ? undefined : withdraw(shown.beef, shown.count)
      await Promise.all([queue.drain(settings.AGENT_DRAIN_MS_MAX), ...subscriptions.map(each => each.stop())])
      ended.abort()
      await withdrawn
      await served.close()
      close()
    },
  }
}

const version = String(createRequire(import.meta.url)('assay/package.json').version)

function named({ transaction, seat, facts }: AgentJob) {
  return { jobTx: transaction.txid, seat, round: facts.subject, stage: facts.stage }
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
