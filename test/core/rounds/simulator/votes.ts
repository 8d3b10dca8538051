import type { PipelineTransaction } from '../../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../../src/core/rounds/round.ts'
import { stages } from './agents.ts'

/** Written out once more: the promise must not follow a mistake in the rules. */
const votesNeeded = { basic: 1, enhanced: 2, critical: 3 }
const zeros = '0'.repeat(64)

type Chain = { readonly transaction: (txid: string) => PipelineTransaction | undefined }

/**
 * The promise behind a certificate, counted apart from the rules that keep it: each leaf, at every stage, has
 * the votes of as many distinct operators as the certificate's own level wants, over the input that the stage
 * before agreed on, in one round over one round document.
 */
export function certificateWithoutQuorum(
  txid: string,
  chain: Chain,
  inputLeavesOf: ReadonlyMap<string, ReadonlyMap<number, string>>,
): string | undefined {
  let step: PipelineTransaction | undefined = chain.transaction(txid)
  if (step?.role.kind !== 'certificate') return 'is no certificate'
  const { subject, level } = step.role
  let inputHash: string | undefined
  let claims = new Map(step.role.members.map(({ index, versionId }) => [index, versionId]))
  for (const stage of stages.toReversed()) {
    const parents: PipelineTransaction[] = step.inputs.flatMap(input => chain.transaction(input.txid) ?? [])
    const job = parents.find(({ role }) => role.kind === 'job')
    if (job?.role.kind !== 'job' || job.role.facts.stage !== stage) return `stage ${stage} is missing`
    const { facts, seats } = job.role
    if (facts.subject !== subject) return `the ${stage} job is of another round`
    if (facts.level !== level) return `the ${stage} job is of level ${facts.level}, not ${level}`
    if (facts.inputHash !== (inputHash ?? facts.inputHash)) return `the ${stage} job has another document`
    inputHash = facts.inputHash
    for (const [member, leaf] of claims) {
      const at = facts.members.indexOf(member)
      if (at < 0 || leaf === zeros) return `nobody answered for member ${member} at ${stage}`
      const operators = new Set<string>()
      for (const { inputs, role } of parents) {
        if (role.kind !== 'result' || role.status !== 'completed' || role.leaves[at] !== leaf) continue
        const seat = inputs[0]?.txid === job.txid ? seats[inputs[0].vout] : undefined
        if (seat !== undefined) operators.add(seat.operator)
      }
      if (operators.size < votesNeeded[level])
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
