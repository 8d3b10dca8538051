import { answerAsked } from '../../../bench/fanout/ask-process.ts'
import { choicesFrom } from '../../core/rounds/simulator/choices.ts'
import { until } from '../../support/until.ts'
import { type ClientsCommand, type Compared, clientsCommand } from './commands.ts'
import { type Follower, follow } from './follower.ts'
import { questions } from './questions.ts'
import { openPicked, openSequence } from './told.ts'

/* Half of the clients by SSE and half by WebSocket; of each, one in so many asks for everything, and the others for some of it. */

type Unfiltered = { readonly follower: Follower; readonly account: ReturnType<typeof openSequence> }
type Filtered = {
  readonly follower: Follower
  readonly account: ReturnType<typeof openPicked>
  readonly question: number
}
const unfiltered: Unfiltered[] = []
const filtered: Filtered[] = []
const timed: Compared['timed'] = []
const followers = () => [...unfiltered, ...filtered].map(({ follower }) => follower)

answerAsked(clientsCommand, obey)

async function obey(asked: ClientsCommand): Promise<object> {
  switch (asked.what) {
    case 'follow':
      for (let n = 0; n < asked.clients; n++) {
        begin(n, asked)
        if (n % AT_ONCE === 0) await until(() => followers().every(({ counts }) => counts.messages > 0))
      }
      await until(() => followers().every(({ counts }) => counts.messages > 0))
      return { clients: asked.clients }
    case 'stick':
      for (const follower of followers()) follower.stick()
      return { clients: followers().length }
    case 'settle':
      for (const follower of followers()) follower.settle()
      return { clients: followers().length }
    case 'missing':
      return missing(asked)
    case 'compare':
      return compare(asked.answers)
  }
}

/** Of those that ask for everything two in five only read; the first two of all read nothing once they are told to. */
function begin(
  n: number,
  { port, seed, timedEvery, stages, oneInFollowsAll }: Extract<ClientsCommand, { what: 'follow' }>,
): void {
  const transport = n % 2 === 0 ? 'sse' : 'websocket'
  const of = { port, transport, choices: choicesFrom(seed + n) } as const
  const pair = Math.floor(n / 2)
  if (pair % oneInFollowsAll === 0) {
    const account = openSequence()
    const manner = n < 2 ? 'stuck' : (pair / oneInFollowsAll) % 5 < 2 ? 'steady' : 'restless'
    let told = 0
    const follower = follow({
      ...of,
      ...{ path: `/watch?status=${stages.join(',')}`, account, manner },
      onTold({ type, streamId, lastSeq }) {
        if (manner !== 'steady' || type !== 'received' || told++ % timedEvery > 0) return
        if (typeof streamId === 'string' && typeof lastSeq === 'number')
          timed.push({ streamId, lastSeq, atMs: Date.now() })
      },
    })
    unfiltered.push({ follower, account })
    return
  }
  const account = openPicked()
  const question = Math.floor(filtered.length / 2) % questions.length
  const path = `/watch?${questions[question]?.live}`
  filtered.push({ follower: follow({ ...of, path, account, manner: 'restless' }), account, question })
}

function missing({ ends, counts }: Extract<ClientsCommand, { what: 'missing' }>): object {
  const behind = [
    ...unfiltered.flatMap(({ follower, account }) => {
      const track = Object.entries(ends).find(([name, end]) => account.at(name) < end)
      return track === undefined
        ? []
        : [
            `${follower.name} is at ${account.at(track[0])} of ${track.join(': ')}; ${account.faults.join('; ')}`,
          ]
    }),
    ...filtered.flatMap(({ follower, account, question }) =>
      account.count() < (counts[question] ?? 0)
        ? [`${follower.name} has ${account.count()} of ${counts[question]}; ${account.faults.join('; ')}`]
        : [],
    ),
  ]
  return { clients: behind.length, example: behind[0] ?? '' }
}

function compare(answers: readonly (readonly string[])[]): Compared {
  const expected = answers.map(ids => new Set(ids))
  const all = followers()
  const sum = (of: (follower: Follower) => number) => all.reduce((total, each) => total + of(each), 0)
  const cutOff: Record<string, number> = {}
  for (const { counts } of all)
    for (const [why, times] of Object.entries(counts.cutOff)) cutOff[why] = (cutOff[why] ?? 0) + times
  return {
    faults: [
      ...unfiltered.flatMap(({ follower, account }) =>
        account.faults.map(fault => `${follower.name}: ${fault}`),
      ),
      ...filtered.flatMap(({ follower, account, question }) =>
        account.compare(expected[question] ?? new Set()).map(fault => `${follower.name}: ${fault}`),
      ),
    ].slice(0, FAULTS_SAID_MAX),
    messages: sum(({ counts }) => counts.messages),
    bytes: sum(({ counts }) => counts.bytes),
    connections: sum(({ counts }) => counts.connections),
    pauses: sum(({ counts }) => counts.pauses),
    reduced: sum(({ counts }) => counts.reduced),
    gaps: sum(({ account }) => account.gaps()),
    cutOff,
    timed,
  }
}

/** That connect at first. */
const AT_ONCE = 25
const FAULTS_SAID_MAX = 50
