import { answerAggregate } from '../../agents/certifier/aggregate.ts'
import { certifier } from '../../agents/certifier/certifier.ts'
import type { AnswerPacket } from '../../agents/kit/packet-task.ts'
import { type RunOptions, runAgent } from '../../agents/kit/run-agent.ts'
import { normalizer } from '../../agents/normalizer/normalizer.ts'
import { validator } from '../../agents/validator/validator.ts'
import { type Stage, stages } from '../core/rounds/template.ts'
import { explain } from './explain.ts'
import { readOptions } from './read-options.ts'

const usage = `assay agent normalize|validate|certify    one agent, which works for the nodes in AGENT_NODES
  --subscribe      gets its jobs over connections that it opens itself, and needs no address
  --with-parent    stops as well when its standard input ends

docs/agents.md has its settings.`

const answers: Readonly<Record<Stage, AnswerPacket>> = {
  normalize: normalizer,
  validate: validator,
  certify: certifier,
}

/** Exit codes: 0 stopped as asked, 1 not started, 2 wrong usage. */
export async function agent(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (asked === undefined) {
    console.error(usage)
    return 2
  }
  try {
    const { kind, options } = asked
    await runAgent(kind, answers[kind], { ...options, ...(kind === 'certify' && { answerAggregate }) })
    return 0
  } catch (error) {
    console.error(`assay: the agent does not start: ${explain(error)}`)
    return 1
  }
}

function read(args: readonly string[]): { kind: Stage; options: RunOptions } | undefined {
  const called = readOptions(args, {
    subscribe: { type: 'boolean', default: false },
    'with-parent': { type: 'boolean', default: false },
  })
  if (called === undefined) return undefined
  const { values, positionals } = called
  const [name, ...more] = positionals
  const kind = stages.find(each => each === name)
  if (kind === undefined || more.length > 0) return undefined
  return { kind, options: { subscribe: values.subscribe, withParent: values['with-parent'] } }
}
