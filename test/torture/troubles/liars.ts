import { lies } from '../../agents/liars/conducts.ts'
import { startLiar } from '../../agents/liars/liar.ts'
import { agentNames, operatorOf, partsOf } from '../../support/agents-bed/operators.ts'
import { party } from '../../support/pipeline.ts'
import { pickOf, type Trouble } from '../trouble.ts'
import { within } from '../within.ts'
import { memberCalled } from './one-member.ts'

/** An operator's agent is gone, and in its place is one that lies: the other two operators have to agree without it. */
export const liars: Trouble = {
  name: 'liars',
  ms: { min: 4_000, max: 10_000 },
  draw(choices) {
    const who = pickOf(agentNames, choices)
    return { touches: [who, 'a liar'], how: { who, says: pickOf(told, choices) } }
  },
  async begin(cluster, { who, says }) {
    const name = agentNames.find(each => each === who)
    const lie = lies.find(each => each.name === says)
    if (name === undefined || lie === undefined) throw new Error(`${who} cannot say ${says}`)
    const { operator, stage } = partsOf(name)
    await memberCalled(cluster, name).kill()
    liarsBefore += 1
    const agent = party(`liar ${liarsBefore}`)
    const { nodeUrls } = cluster
    let tries = liarsBefore
    let liar: Awaited<ReturnType<typeof startLiar>> | undefined
    const advertised = async () => {
      const nodeUrl = nodeUrls[tries++ % nodeUrls.length] ?? ''
      liar = await startLiar({ agent, stage, operator: operatorOf(operator), conduct: lie.conduct, nodeUrl })
      return true
    }
    // Where both nodes are away for so long there is one agent less, and nobody who lies.
    await within(ADVERTISED_MS_MAX, advertised, 'a liar to be known').catch(() => undefined)
    return async () => {
      await liar?.stop()
      await memberCalled(cluster, name).start()
    }
  },
}

/** Each is somebody new. */
let liarsBefore = 0
/** A node may be away just now. */
const ADVERTISED_MS_MAX = 20_000

/** Of all lies those that are over soon and take no gigabyte. */
const told = lies.map(({ name }) => name).filter(name => !/gigabyte|deadline|earlier job/.test(name))
