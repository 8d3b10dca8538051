import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import { quorums } from '../../src/core/level.ts'
import { verdicts } from '../../src/core/rounds/agreement.ts'
import { type TrailStage, trailOf } from '../../src/core/rounds/judging/trail.ts'
import { agentOf, operatorOf } from '../support/agents-bed/operators.ts'
import { isAtRest } from '../support/agents-bed/progress.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { auditAtRest } from '../support/audit-certified.ts'
import { readChain } from '../support/read-chain.ts'
import { until } from '../support/until.ts'

const example = fileURLToPath(new URL('../../examples/write-an-agent/agent.ts', import.meta.url))
const seat = 'south/normalize'

describe('the example of an agent', () => {
  let bed: AgentsBed
  beforeAll(async () => {
    bed = await agentsBed({ programs: { [seat]: ['--conditions=source', '--import', 'tsx', example] } })
  }, 120_000)
  afterAll(() => bed.stop())

  test('makes up a quorum with agents of ours: what it has signed is spent for the certificate', async () => {
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    // At critical all three are needed: without its answer, or with another one, nothing would be certified.
    const reading = { eventType: 'reading', externalId: 'reading-1', data: { celsius: 20 } }
    await bed.publish(bedSource, [reading], { level: 'critical' })
    await bed.allAnchored()
    await until(() => isAtRest(bed.pool))
    expect(await auditAtRest(bed.pool, bed)).toEqual([])

    const [normalized, ...none] = (await trails()).filter(({ facts }) => facts.stage === 'normalize')
    expect(none).toEqual([])
    const { answers = [], facts } = normalized ?? {}
    const { identityKey: agentKey } = agentOf(seat)
    const operator = operatorOf('south').identityKey
    expect(answers).toContainEqual(expect.objectContaining({ agentKey, operator, status: 'completed' }))
    expect(answers).toHaveLength(quorums.critical.agreeing)
    const said = verdicts('critical', facts?.members.length ?? 0, answers)
    expect(said.map(({ kind }) => kind)).toEqual(['agreed'])
  })

  test('takes its adverts back when it is asked to stop, and ends', async () => {
    const child = bed.agents.get(seat)?.child()
    child?.signal('SIGTERM')
    expect(await child?.exited).toEqual({ code: 0, signal: null })
    const { rows } = await bed.pool.query<{ count: number }>(
      'select count(*)::int as count from gitdata_agents where agent_key = $1 and spent_by is null',
      [Buffer.from(agentOf(seat).identityKey, 'hex')],
    )
    expect(rows).toEqual([{ count: 0 }])
  })

  /** Of each certificate on the chain, by its spends alone. */
  async function trails(): Promise<TrailStage[]> {
    const { certificates, history } = await readChain(bed.pool)
    return certificates.flatMap(({ transaction }) => trailOf(transaction, history))
  }
})
