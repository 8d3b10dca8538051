import { type Level, quorums } from '../../../src/core/level.ts'
import {
  type JobFacts,
  type Leaf,
  noLeaf,
  type PipelineTransaction,
  type Role,
} from '../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../src/core/rounds/round.ts'
import { type Stage, stagesOf, type Template } from '../../../src/core/rounds/template.ts'

/** A round told by txids that say what they are: `job normalize`, `result normalize 0`, …, `certificate`. */
export function honestChain(
  level: Level,
  members: readonly number[] = [0, 1],
  template: Template = 'packet',
) {
  const chain = new Map<string, PipelineTransaction>()
  const { seats } = quorums[level]
  const add = (txid: string, inputs: PipelineTransaction['inputs'], role: Role) =>
    chain.set(txid, { txid, inputs, role })
  const fuelFor = (what: string) => {
    add(`fuel of ${what}`, [], { kind: 'plain' })
    return { txid: `fuel of ${what}`, vout: 7 }
  }
  const spendOf = (stage: Stage) => [
    { txid: `job ${stage}`, vout: seats },
    ...upTo(seats).map(seat => ({ txid: `result ${stage} ${seat}`, vout: 0 })),
  ]

  let before: Stage | undefined
  for (const stage of stagesOf(template)) {
    const what = `job ${stage}`
    const facts: JobFacts = {
      coordinator: 'coordinator',
      subject: 'round',
      template,
      stage,
      level,
      members,
      inputRoot: before === undefined ? noLeaf : rootOver(members.map(member => leafOf(`${before}`, member))),
      inputHash: 'document',
      deadlineMs: 1_000,
      outputBytesMax: 1_000,
    }
    const asked = upTo(seats).map(seat => ({ agentKey: `agent ${seat}`, operator: `operator ${seat}` }))
    add(what, [...(before === undefined ? [] : spendOf(before)), fuelFor(what)], {
      kind: 'job',
      facts,
      seats: asked,
    })
    for (const [seat, { agentKey }] of asked.entries()) {
      const jobOutpoint = { txid: what, vout: seat }
      const leaves = members.map(member => leafOf(stage, member))
      add(`result ${stage} ${seat}`, [jobOutpoint], {
        kind: 'result',
        facts,
        jobOutpoint,
        agentKey,
        lockedTo: 'coordinator',
        status: 'completed',
        leaves,
      })
    }
    before = stage
  }
  add('certificate', [...spendOf('certify'), fuelFor('certificate')], {
    kind: 'certificate',
    coordinator: 'coordinator',
    subject: 'round',
    template,
    level,
    members: members.map(index => ({ index, versionId: leafOf('certify', index) })),
  })
  return chain
}

/** A leaf that says in hex what it is for. */
export function leafOf(stage: string, member: number, other = ''): Leaf {
  const text = `${stage} ${member} ${other}`
  return [...text]
    .map(letter => letter.charCodeAt(0).toString(16))
    .join('')
    .padEnd(64, 'f')
    .slice(0, 64)
}

export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
