import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { certifier } from '../../agents/certifier/certifier.ts'
import type { AnswerPacket } from '../../agents/kit/packet-task.ts'
import { readAgentSettings } from '../../agents/kit/settings.ts'
import { startAgent } from '../../agents/kit/start-agent.ts'
import { normalizer } from '../../agents/normalizer/normalizer.ts'
import { validator } from '../../agents/validator/validator.ts'
import { keyInUse, readKeyFile } from '../adapters/keys/key-file.ts'
import type { OperatorWord } from '../contract/operator.ts'
import { knownHex } from '../core/bytes.ts'
import { type Stage, stages } from '../core/rounds/template.ts'
import { openLog } from '../runtime/log.ts'
import { explain } from './explain.ts'

const usage = `assay agent normalize|validate|certify    one agent, which works for the nodes in AGENT_NODES

docs/agents.md has its settings.`

const answers: Readonly<Record<Stage, AnswerPacket>> = {
  normalize: normalizer,
  validate: validator,
  certify: certifier,
}

/** Runs one agent until it is asked to stop. A second signal does not wait. */
export async function agent(args: readonly string[]): Promise<number> {
  const [name, ...more] = args
  const kind = stages.find(each => each === name)
  if (kind === undefined || more.length > 0) {
    console.error(usage)
    return 2
  }
  try {
    const settings = readAgentSettings(process.env)
    const { AGENT_KEY_FILE, AGENT_OPERATOR_FILE } = settings
    if (AGENT_KEY_FILE === undefined || AGENT_OPERATOR_FILE === undefined)
      throw new Error(
        'AGENT_KEY_FILE and AGENT_OPERATOR_FILE are not both set; `assay keys create agent` and `assay keys operator-word` make these files',
      )
    const log = openLog(process.env['LOG_LEVEL'] ?? 'info')
    const asked = stopAsked()
    const running = await startAgent({
      kind,
      answer: answers[kind],
      key: keyInUse(await readKeyFile(AGENT_KEY_FILE)),
      operator: await readOperatorFile(AGENT_OPERATOR_FILE),
      settings,
      log,
      now: Date.now,
    })
    log.info({ url: running.url, agentKey: running.agentKey, kind }, 'the agent listens')
    void running.advertise().then(
      () => log.info('the agent is advertised'),
      error => log.error({ err: error }, 'the agent is not advertised, so nobody asks it'),
    )
    const signal = await asked
    log.info({ signal }, 'stopping')
    process.once(signal, () => process.exit(1))
    await running.stop()
    return 0
  } catch (error) {
    console.error(`assay: the agent does not start: ${explain(error)}`)
    return 1
  }
}

async function readOperatorFile(file: string): Promise<OperatorWord> {
  const read = operatorFile.safeParse(JSON.parse(await readFile(file, 'utf8')))
  if (!read.success)
    throw new Error(
      `${file} is not an operator's word: ${read.error.issues[0]?.message ?? 'unreadable'}. \`assay keys operator-word\` makes one.`,
    )
  const { operator, operatorSig, fromMs, toMs } = read.data
  return { operator, operatorSig: knownHex(operatorSig), operatorFromMs: fromMs, operatorToMs: toMs }
}

const operatorFile = z.strictObject({
  operator: z.string().regex(/^0[23][0-9a-f]{64}$/),
  operatorSig: z.string().regex(/^(?:[0-9a-f]{2}){8,72}$/),
  fromMs: z.int().min(0),
  toMs: z.int().min(0),
})

function stopAsked(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
}
