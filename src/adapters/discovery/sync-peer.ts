import type { Pool } from 'pg'
import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { PeerRefusal } from '../overlay/outbox.ts'
import type { Peer } from './peers.ts'
import { type JudgeDeps, judgeItem, readAnswered } from './sync-judge.ts'
import { SYNC_ANSWER_BYTES_MAX, SYNC_ITEMS_MAX, type SyncPage, syncPage } from './sync-page.ts'
import {
  countRetries,
  type Judgement,
  RETRIES_MAX,
  readCursor,
  readRetries,
  settle,
  type Unsettled,
  writeProgress,
} from './sync-progress.ts'

export type SyncDeps = JudgeDeps & {
  readonly pool: Pool
  now(): number
  /** Told after each page, and after each thing that was tried again. */
  onJudged(peer: string, judgements: readonly Judgement[]): void
  readonly stop: AbortSignal
}

/** Of one topic in one turn; then it is somebody else's. */
const PAGES_PER_TURN = 20
const TURN_MS_MAX = 30_000
const PAGE_MS_MAX = 20_000
const RETRIES_PER_TURN = 50

/** `caught-up`: it has no more at the moment. `news`, `nothing-new`: the turn was over before. */
export type Turn = 'caught-up' | 'news' | 'nothing-new'

/**
 * One turn with one topic of one peer: what is due to be tried again, then page after page. What is written down after
 * each page is enough to go on from there, whatever happens.
 */
export async function syncWithPeer(peer: Peer, topic: string, deps: SyncDeps): Promise<Turn> {
  const endsMs = deps.now() + TURN_MS_MAX
  const isOver = () => deps.stop.aborted || deps.now() >= endsMs
  let isNews = await tryAgain(peer, topic, deps, isOver)
  const ended = () => (isNews ? 'news' : 'nothing-new')
  for (let pages = 0; pages < PAGES_PER_TURN; pages++) {
    if (isOver() || (await countRetries(deps.pool, peer.name, topic)) >= RETRIES_MAX) return ended()
    const from = await readCursor(deps.pool, peer.name, topic)
    const page = await askFor(peer, topic, from, SYNC_ITEMS_MAX, deps.stop)
    const { judgements, left } = await takePage(page, from, topic, deps)
    deps.onJudged(peer.name, judgements)
    if (judgements.some(({ kind }) => kind === 'new')) isNews = true
    // A page that leads nowhere has no next one, whatever it says.
    if (page.cursor === from) return 'caught-up'
    await writeProgress(deps.pool, { peer: peer.name, topic }, { from, to: page.cursor }, left, deps.now())
    if (!page.more) return 'caught-up'
  }
  return ended()
}

async function askFor(
  { base, call }: Peer,
  topic: string,
  after: string | undefined,
  limit: number,
  stop: AbortSignal,
): Promise<SyncPage> {
  const url = new URL('/sync', base)
  url.search = new URLSearchParams({
    topic,
    limit: String(limit),
    ...(after !== undefined && { after }),
  }).toString()
  const { status, body } = await call(url.href, {
    answerBytesMax: SYNC_ANSWER_BYTES_MAX,
    answerMsMax: PAGE_MS_MAX,
    stop,
  })
  // It does not host the topic, or is no node of ours at all.
  if (status === 400 || status === 404)
    throw new PeerRefusal(`${base} answers ${status} when it is asked for ${topic}`)
  if (status !== 200) throw new Error(`${base} answers ${status} when it is asked for ${topic}`)
  const page = syncPage.safeParse(orThrow(parseJson(body, SYNC_ANSWER_BYTES_MAX)))
  if (!page.success) throw new Error(`${base} answers with something else than a page of ${topic}`)
  return page.data
}

async function takePage(
  { items }: SyncPage,
  from: string | undefined,
  topic: string,
  deps: SyncDeps,
): Promise<{ judgements: Judgement[]; left: Unsettled[] }> {
  const answered = await readAnswered(
    deps.pool,
    topic,
    items.map(({ txid }) => txid),
  )
  const judgements: Judgement[] = []
  const left: Unsettled[] = []
  let after = from
  for (const item of items) {
    const judgement: Judgement = answered.has(item.txid)
      ? { kind: 'known' }
      : await judgeItem(item, topic, deps)
    judgements.push(judgement)
    if ('reason' in judgement) left.push({ txid: item.txid, after, attempts: 1, judgement })
    after = item.cursor
  }
  // Twice in one page: the last word on it.
  return { judgements, left: [...new Map(left.map(each => [each.txid, each])).values()] }
}

/** Asks once more for what could not be taken when it was sent. Resolves with whether any of it was news. */
async function tryAgain(peer: Peer, topic: string, deps: SyncDeps, isOver: () => boolean): Promise<boolean> {
  const { pool, now } = deps
  const { due } = await readRetries(pool, peer.name, topic, now(), RETRIES_PER_TURN)
  let isNews = false
  for (const { txid, after, attempts } of due) {
    if (isOver()) break
    const {
      items: [item],
    } = await askFor(peer, topic, after, 1, deps.stop)
    // Gone, or written anew and then further on in the order.
    const judgement: Judgement = item?.txid === txid ? await judgeItem(item, topic, deps) : { kind: 'known' }
    const left = 'reason' in judgement ? { txid, after, attempts: attempts + 1, judgement } : undefined
    await settle(pool, { peer: peer.name, topic }, txid, left, now())
    deps.onJudged(peer.name, [judgement])
    if (judgement.kind === 'new') isNews = true
  }
  return isNews
}
