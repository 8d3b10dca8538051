import type { PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../../src/core/rounds/round.ts'
import { stages } from './agents.ts'

/** Written out once more: the promise must not follow a mistake in the rules. */
const votesNeeded = { basic: 1, enhanced: 2, critical: 3 }

type Chain = { readonly transaction: (txid: string) => PipelineTransaction | undefined }

/**
 * The promise behind a certificate, counted apart from the rules that keep it: each leaf, at every stage, has
 * the votes of enough distinct operators, over the input that the stage before agreed on.
 */
export function certificateWithoutQuorum(
  txid: string,
  chain: Chain,
  inputLeavesOf: ReadonlyMap<string, ReadonlyMap<number, string>>,
): string | undefined {
  let step: PipelineTransaction | undefined = chain.transaction(txid)
  if (step?.role.kind !== 'certificate') return 'is no certificate'
  let claims = new Map(step.role.members.map(({ index, versionId }) => [index, versionId]))
  for (const stage of stages.toReversed()) {
    const parents: PipelineTransaction[] = step.inputs.flatMap(input => chain.transaction(input.txid) ?? [])
    const job = parents.find(({ role }) => role.kind === 'job')
    if (job?.role.kind !== 'job' || job.role.facts.stage !== stage) return `stage ${stage} is missing`
    const { facts, seats } = job.role
    for (const [member, leaf] of claims) {
      const at = facts.members.indexOf(member)
      const operators = new Set<string | undefined>()
      for (const { inputs, role } of parents)
        if (role.kind === 'result' && inputs[0]?.txid === job.txid && at >= 0 && role.leaves[at] === leaf)
          operators.add(seats[inputs[0].vout]?.operator)
      if (operators.size < votesNeeded[facts.level])
        return `member ${member} has ${operators.size} votes at ${stage}`
    }
    if (stage === stages[0]) return undefined
    const before = inputLeavesOf.get(job.txid) ?? new Map<number, string>()
    const all = facts.members.map(member => before.get(member) ?? '')
    if (rootOver(all) !== facts.inputRoot) return `the ${stage} job was given other input than it names`
    claims = new Map([...claims.keys()].map(member => [member, before.get(member) ?? '']))
    step = job
  }
  return undefined
}
