import { afterEach, expect, onTestFailed, test } from 'vitest'
import { operatorNames } from '../support/agents-bed/operators.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'

const beds: AgentsBed[] = []
afterEach(async () => {
  for (const bed of beds.splice(0)) await bed.stop()
}, 60_000)

test.each([
  ['EVENT_CONSENSUS_REQUIRED', 'false', 'basic', 1],
  ['EVENT_CONSENSUS_THRESHOLD', '1', 'basic', 1],
  ['EVENT_CONSENSUS_THRESHOLD', '3', 'critical', 3],
] as const)(
  'under %s=%s a stream that names no level is %s, and %d operators certify it',
  {
    timeout: 120_000,
  },
  async (name, value, level, operators) => {
    const absent = operatorNames.slice(operators)
    const bed = await agentsBed({
      settings: { [name]: value },
      absent: absent.flatMap(operator => [
        `${operator}/normalize` as const,
        `${operator}/validate` as const,
        `${operator}/certify` as const,
      ]),
    })
    beds.push(bed)
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    await bed.publish(bedSource, [{ eventType: 'reading', data: { celsius: 20 } }])
    await bed.allAnchored()
    const { rows } = await bed.pool.query<{ level: string; agreeing: number }>(
      `select level, (certification_evidence -> 'agreeing')::int as agreeing
      from certificates join packets using (packet_id) join packet_states using (partition_id, packet_no)`,
    )
    expect(rows).toEqual([{ level, agreeing: operators }])
  },
)
