import type { Stage } from '../../src/core/rounds/template.ts'
import { backOff } from '../../src/runtime/back-off.ts'
import { type Log, openLog } from '../../src/runtime/log.ts'
import { pause } from '../../src/runtime/pause.ts'
import { BusyError } from './adverts.ts'
import type { AnswerAggregate } from './aggregate-task.ts'
import { readAgentFiles } from './files.ts'
import type { AnswerPacket } from './packet-task.ts'
import { readAgentSettings } from './settings.ts'
import { type RunningAgent, startAgent } from './start-agent.ts'

export type RunOptions = {
  /** Gets its jobs over connections that it opens itself, for agents that nobody can reach. */
  readonly subscribe?: boolean
  /** Stops as well when its standard input ends: with the process that started it, however that ends. */
  readonly withParent?: boolean
  /** Of a certifier: what it says about windows and rollups. Without it, jobs over them are refused. */
  readonly answerAggregate?: AnswerAggregate | undefined
}

/**
 * A whole program: an agent with the settings of its environment, until it is asked to stop. A second signal does not wait.
 * Rejects where it cannot start.
 */
export async function runAgent(kind: Stage, answer: AnswerPacket, options: RunOptions = {}): Promise<void> {
  const settings = readAgentSettings(process.env)
  const log = openLog(process.env['LOG_LEVEL'] ?? 'info')
  const asked = stopAsked(options.withParent ?? false)
  const files = await readAgentFiles(settings)
  const { subscribe = false, answerAggregate } = options
  const agent = await startAgent({
    ...{ ...files, kind, answer, answerAggregate, subscribe, settings, log },
    now: Date.now,
  })
  log.info({ url: agent.url, agentKey: agent.agentKey, kind }, 'the agent listens')
  const stopping = new AbortController()
  const advertised = advertise(agent, log, stopping.signal)
  const why = await asked
  log.info({ why }, 'stopping')
  stopping.abort()
  for (const signal of signals) process.once(signal, () => process.exit(1))
  await agent.stop()
  await advertised
  // Else it would be waited for.
  if (options.withParent === true) process.stdin.destroy()
}

/** Nodes may come later than their agents. */
async function advertise(agent: RunningAgent, log: Log, stop: AbortSignal): Promise<void> {
  for (let failures = 1; !stop.aborted; failures++) {
    try {
      await agent.advertise()
      log.info({ agentKey: agent.agentKey }, 'the agent is advertised')
      return
    } catch (error) {
      if (stop.aborted) return
      if (error instanceof BusyError)
        log.info({ why: error.message }, 'the agent is not advertised yet; tried again')
      else log.warn({ err: error }, 'the agent is not advertised, so nobody asks it; tried again')
      await pause(backOff(failures, { longestMs: AGAIN_MS_MAX }), stop)
    }
  }
}

const AGAIN_MS_MAX = 30_000

const signals = ['SIGINT', 'SIGTERM'] as const

function stopAsked(withParent: boolean): Promise<string> {
  return new Promise(resolve => {
    for (const signal of signals) process.once(signal, () => resolve(signal))
    if (withParent) process.stdin.once('end', () => resolve('the end of its parent')).resume()
  })
}
