import type { Issuer } from '../contract/tokens.ts'
import type { Fault } from '../core/fault.ts'
import { type Level, quorums } from '../core/level.ts'
import { type CoordinatorBounds, fairMsOf } from './bounds.ts'
import { followRound } from './follow-round.ts'
import { openNap } from './nap.ts'
import { type OfferOutcome, openOffering } from './offer-seats.ts'
import { openOwedAnswers } from './owed-answers.ts'
import { countsFromMs, nextRoundMs, type Pace } from './pace.ts'
import { chooseRounds } from './plan-rounds.ts'
import type { Directory, DueSeat, HeldRound, RoundNews, RoundStore, SeatOffers } from './ports.ts'
import { retryAfter } from './retry-after.ts'
import type { FollowDeps, Followed, Heard, RoundStep } from './round-step.ts'

/** Makes rounds of packets and sees them through, until it is stopped; any number of processes may do so side by side. */
export type Coordinator = {
  /** Worth a look: a packet is sealed, or the network has said something of ours (`news`). */
  wake(why?: 'packet' | 'news'): void
  /** The network has a transaction that spends outputs of these: worth a look once a job has as many answers as can agree. */
  answered(spent: readonly string[]): void
  load(): Load
  /** Resolves once nothing is under way, and others may take what we had. */
  stop(): Promise<void>
}

export type Load = {
  /** That we hold. */
  readonly rounds: number
  /** Offers without an answer. */
  readonly offering: number
  /** As of the last look at packets; undefined before the first. */
  readonly seatable: ReadonlySet<Level> | undefined
  /** Why a step could not be paid for, until one can. */
  readonly fault: Fault | undefined
}

export type CoordinatorDeps = {
  readonly store: RoundStore
  readonly directory: Directory
  readonly offers: SeatOffers
  /** Our own key: it issues jobs and spends what answers them. */
  readonly log: Issuer
  /** Where agents find what belongs to a round; none where nobody knows our address. */
  locations(): readonly string[]
  readonly bounds: CoordinatorBounds
  readonly timing?: Partial<CoordinatorTiming>
  readonly repeat: Repeat
  /** False: what is open is seen through, and nothing is opened. */
  opens?(): boolean
  /** How far this process's event loop lags behind. */
  lagMs?(): number
  now(): number
  /** 0 to 1. */
  random(): number
  /** Says what has just happened. */
  at(step: string): void
  /** A round waits for its certificate. */
  handedOver(): void
  /** It is tried again; `roundId` undefined: it was about no single round. */
  onFailure(error: unknown, roundId?: string): void
  onRound(what: RoundStep): void
  onOffer?(outcome: OfferOutcome, seat: DueSeat): void
  /** Somebody else has taken a round that we held. */
  onLost?(roundId: string): void
}

/** Never beside itself, until it is stopped; at once once more where it resolves with 'more'. */
type Repeat = (
  work: () => Promise<unknown>,
  options: { readonly everyMs: number; onFailure(error: unknown): void },
) => { stop(): Promise<void> }

export type CoordinatorTiming = {
  /** A wake is followed at once, and not each of many: so long after a look there is no other. */
  readonly restMs: number
  /** Between two looks where nobody wakes us: what other processes did is found then. */
  readonly pollMs: number
  /** After an answer that is too few to agree: another process may have heard the others. */
  readonly othersMs: number
  readonly keepMs: number
  /** How often rounds are looked for that nobody works on. */
  readonly takeMs: number
  /** How often we look whether all have answered who said that they would; more often where they have little time. */
  readonly owedMs: number
}

export const coordinatorTiming: CoordinatorTiming = {
  restMs: 5,
  othersMs: 50,
  pollMs: 500,
  keepMs: 1_000,
  takeMs: 500,
  owedMs: 500,
}

/** A round of ours, and what we have heard of it and not dealt with. */
type InHand = {
  round: HeldRound
  readonly heldSinceMs: number
  heard: Heard
  /** Not looked at before this time, after a step that failed or could not be paid for. */
  notBeforeMs: number
  failures: number
  working: Promise<void> | undefined
  /** How many of this job's answers we were told of; others are found at the next look. */
  answers: { readonly jobTx: string; readonly count: number } | undefined
  /** There may be news that it was too busy to be asked about. */
  unasked: boolean
}

export function startCoordinator(deps: CoordinatorDeps): Coordinator {
  const { store, bounds, now } = deps
  const timing = { ...coordinatorTiming, ...deps.timing }
  const nap = openNap()
  const rounds = new Map<string, InHand>()
  const offering = openOffering({
    ...{ offers: deps.offers, bounds: bounds.offers, now, random: deps.random, at: deps.at },
    onOffer: (outcome, seat) => deps.onOffer?.(outcome, seat),
    onFailure: error => deps.onFailure(error),
  })
  const followingOf = ({ heldSinceMs }: InHand): FollowDeps => ({
    ...deps,
    onUnheard({ sent, seenMs, deadlineMs }) {
      // Of a job that somebody else has given out, agents may know an address where nobody was.
      if (seenMs !== null && seenMs >= heldSinceMs) owed.note({ jobTx: sent.txid, deadlineMs })
    },
  })
  // Whatever is remembered here goes by a clock that nobody sets; what is stored, and deadlines, by that of the day.
  const clock = () => performance.now()
  const fairMs = fairMsOf(bounds.job)
  const owed = openOwedAnswers({ store, fairMs, now, clock })
  let pace: Pace = { openedMs: never, triedMs: never, hasNews: true, refusals: 0, lagMs: 0 }
  let seatable: ReadonlySet<Level> | undefined
  let fault: Fault | undefined
  let acquiring: Promise<void> | undefined
  let takenMs = never
  /** What the network or an agent may have said since we asked is asked for at the next look, else after a while. */
  let newsMs = 0
  let stopping = false

  /** Begins what there is to do; nothing of it keeps anything else waiting. */
  const look = async () => {
    acquire()
    await offering.look().catch(error => deps.onFailure(error))
    // A round that is being worked on is asked about afterwards: what is read now may be older than what is written.
    const idle = [...rounds.values()].filter(({ working }) => working === undefined)
    const heard = clock() < newsMs ? nothing : await askAbout(idle).catch(hearNothing)
    for (const each of idle)
      if (each.notBeforeMs <= clock() && (heard.has(each.round.lease.roundId) || isDue(each, now())))
        work(each)
  }

  /** What is due by its deadline waits for no news. */
  const hearNothing = (error: unknown) => {
    owed.interrupted()
    deps.onFailure(error)
    return nothing
  }

  const askAbout = async (idle: readonly InHand[]) => {
    newsMs = clock() + timing.pollMs
    for (const each of rounds.values()) each.unasked = each.working !== undefined
    // Asked also about none: what is no longer asked about is told in full when it is ours again.
    const news = await store.news(idle.map(({ round }) => round.lease))
    // One that was taken again meanwhile is told everything under its new lease.
    const asked = new Map(idle.map(each => [each.round.lease.roundId, each]))
    for (const each of news) hear(asked.get(each.roundId), each)
    return new Set(news.map(({ roundId }) => roundId))
  }

  const acquire = () => {
    pace = { ...pace, lagMs: deps.lagMs?.() ?? 0 }
    if (acquiring !== undefined || clock() < acquireMs()) return
    acquiring = take()
      .catch(error => deps.onFailure(error))
      .then(open)
      .catch(error => {
        pace = { ...pace, triedMs: clock() }
        deps.onFailure(error)
      })
      .finally(() => {
        acquiring = undefined
        nap.end()
      })
  }

  const room = () => bounds.roundsAtOnce - rounds.size

  /** A job that names no place to fetch from can be answered by nobody: until there is one, the rounds of others wait too. */
  const takeMs = () =>
    room() > 0 && deps.locations().length > 0 ? takenMs + timing.takeMs : Number.POSITIVE_INFINITY

  const openMs = () =>
    room() > 0 && deps.opens?.() !== false ? nextRoundMs(pace, bounds.pace) : Number.POSITIVE_INFINITY

  const acquireMs = () => Math.min(takeMs(), openMs())

  const take = async () => {
    if (clock() < takeMs()) return
    takenMs = clock()
    hold(await store.take(room()))
  }

  const open = async () => {
    if (clock() < openMs()) return
    const triedMs = clock()
    // What comes while we look may come too late for this look.
    pace = { ...pace, triedMs, hasNews: false }
    const planned = await store.plan(view => {
      const choice = chooseRounds(view, { ...deps, locations: deps.locations() }, room())
      seatable = choice.seatable
      return choice
    })
    if (planned.kind === 'busy') {
      pace = { ...pace, hasNews: true }
      return
    }
    fault = planned.fault
    pace = {
      ...pace,
      openedMs: planned.opened.length > 0 ? countsFromMs(pace, bounds.pace, triedMs) : pace.openedMs,
      refusals: fault === undefined ? 0 : pace.refusals + 1,
    }
    if (planned.opened.length === 0) return
    deps.at('rounds.planned')
    for (const { lease, job } of planned.opened)
      deps.onRound({ what: 'opened', roundId: lease.roundId, stage: job?.stage, tookMs: undefined })
    hold(planned.opened)
  }

  const hold = (more: readonly HeldRound[]) => {
    for (const round of more) {
      const { roundId } = round.lease
      const heard = { last: undefined, threadUnspent: true }
      rounds.set(roundId, {
        ...{ round, heard, heldSinceMs: now(), notBeforeMs: 0, failures: 0 },
        ...{ working: undefined, answers: undefined, unasked: false },
      })
    }
    if (more.length === 0) return
    newsMs = 0
    nap.end()
  }

  const work = (each: InHand) => {
    const { roundId } = each.round.lease
    each.working = goOn(each)
      .catch(error => {
        // A round that fails keeps no other from going on.
        deps.onFailure(error, roundId)
        waitOn(each)
      })
      .finally(() => {
        each.working = undefined
        if (each.unasked) newsMs = 0
        nap.end()
      })
  }

  const goOn = async (each: InHand) => {
    for (;;) {
      const followed = await followRound(each.round, each.heard, followingOf(each))
      if (followed.kind === 'refused') {
        fault = followed.fault ?? fault
        deps.onFailure(new Error(followed.why), each.round.lease.roundId)
        waitOn(each)
        return
      }
      if (followed.kind === 'gone') {
        letGoOf(each, followed.why)
        return
      }
      if (!followed.moved) {
        each.notBeforeMs = isDue(each, now()) ? clock() + timing.pollMs : 0
        return
      }
      const isNewTransaction = followed.round.last !== each.round.last
      // The network has a job, or those that were held back are asked too.
      if (!followed.round.inFlight) offering.wake()
      const { rebuild } = followed.round
      const isAgain = rebuild > Math.max(each.round.rebuild, 1)
      Object.assign(each, { round: followed.round, failures: 0, notBeforeMs: 0 })
      // What is known here may lag behind the network: each time that it was wrong costs fuel.
      if (isAgain)
        Object.assign(each, {
          failures: 1,
          notBeforeMs: clock() + retryAfter(rebuild, bounds.retry, deps.random),
        })
      each.heard = { last: undefined, threadUnspent: isNewTransaction || each.heard.threadUnspent }
      if (followed.round.inFlight) return
    }
  }

  const waitOn = (each: InHand) => {
    each.failures += 1
    each.notBeforeMs = clock() + retryAfter(each.failures, bounds.retry, deps.random)
  }

  const letGoOf = (each: InHand, why: Extract<Followed, { kind: 'gone' }>['why']) => {
    const { roundId } = each.round.lease
    if (rounds.get(roundId) === each) rounds.delete(roundId)
    newsMs = 0
    // Its partitions are free, or soon will be.
    pace = { ...pace, hasNews: true }
    if (why === 'certifying') deps.handedOver()
    if (why === 'lost') deps.onLost?.(roundId)
  }

  const keep = async () => {
    const all = [...rounds.values()]
    if (all.length === 0) return
    const kept = await store.keep(all.map(({ round }) => round.lease))
    const ours = new Set(kept.map(({ roundId }) => roundId))
    for (const each of all) if (!ours.has(each.round.lease.roundId)) letGoOf(each, 'lost')
  }
  // By a clock of its own: a look that takes long must not cost us what we work on.
  const keeping = setInterval(() => {
    keep().catch(error => {
      owed.interrupted()
      deps.onFailure(error)
    })
  }, timing.keepMs)

  // Likewise: what it is about is decided, and no round waits for it.
  const owing = deps.repeat(owed.look, {
    everyMs: Math.min(timing.owedMs, fairMs / 8),
    onFailure: error => deps.onFailure(error),
  })

  const run = async () => {
    while (!stopping) {
      try {
        await look()
      } catch (error) {
        deps.onFailure(error)
      }
      await nap.rest(timing.restMs)
      if (!stopping) await nap.take(napMs())
    }
    await acquiring
    await Promise.all([...rounds.values()].map(({ working }) => working))
    await offering.drain()
    clearInterval(keeping)
    await owing.stop()
    await store.letGo()
  }

  const napMs = () => {
    // While it is under way, its end is what wakes us.
    const againMs = acquiring === undefined ? acquireMs() : Number.POSITIVE_INFINITY
    return Math.max(1, Math.min(timing.pollMs, againMs - clock(), offering.nextMs() - clock(), dueInMs()))
  }

  const dueInMs = () =>
    rounds.size === 0
      ? Number.POSITIVE_INFINITY
      : Math.min(newsMs - clock(), ...[...rounds.values()].map(roundDueInMs))

  /** As far as that is known. */
  const roundDueInMs = (each: InHand) =>
    each.working === undefined
      ? Math.max(each.notBeforeMs - clock(), dueMs(each) - now())
      : Number.POSITIVE_INFINITY

  const running = run()

  const wake = (why: 'packet' | 'news' = 'packet') => {
    if (why === 'packet') pace = { ...pace, hasNews: true }
    else newsMs = 0
    nap.end()
  }

  return {
    wake,
    answered(spent) {
      const counted = countAnswer(rounds.values(), spent)
      if (counted === 'enough') wake('news')
      if (counted !== 'too-few') return
      newsMs = Math.min(newsMs, clock() + timing.othersMs)
      nap.end()
    },
    load: () => ({ rounds: rounds.size, offering: offering.underWay(), seatable, fault }),
    async stop() {
      stopping = true
      nap.end()
      await running
    },
  }
}

const never = Number.NEGATIVE_INFINITY
const nothing: ReadonlySet<string> = new Set()

function hear(each: InHand | undefined, { last, results, threadUnspent }: RoundNews): void {
  if (each === undefined) return
  const { round } = each
  each.heard = { last, threadUnspent }
  if (round.job !== undefined) each.round = { ...round, job: { ...round.job, results } }
}

/** Whether its job has as many answers now as can agree: each by itself would cost a look that decides nothing. */
function countAnswer(rounds: Iterable<InHand>, spent: readonly string[]): 'enough' | 'too-few' | 'of-no-job' {
  for (const each of rounds) {
    const { job } = each.round
    if (job === undefined || !spent.includes(job.sent.txid)) continue
    const { txid, role } = job.sent
    const told = each.answers?.jobTx === txid ? each.answers.count : 0
    const count = Math.max(told, job.results.length) + 1
    each.answers = { jobTx: txid, count }
    return count >= quorums[role.facts.level].agreeing ? 'enough' : 'too-few'
  }
  return 'of-no-job'
}

/** Whether time alone has brought something to do. */
function isDue(each: InHand, nowMs: number): boolean {
  return nowMs >= dueMs(each)
}

function dueMs({ round, failures }: InHand): number {
  if (failures > 0 || round.state === 'lost') return 0
  const { job, inFlight, state } = round
  if (job === undefined || job.seenMs === null || inFlight || state !== 'open')
    return Number.POSITIVE_INFINITY
  const reserveMs = job.reserveOffered ? Number.POSITIVE_INFINITY : (job.seenMs + job.deadlineMs) / 2
  return Math.min(job.deadlineMs, reserveMs)
}
