import path from 'node:path'
import { checkGround, checkPort } from '../node/check-ground.ts'
import type { Finding } from '../node/finding.ts'
import type { RunningNode } from '../node.ts'
import { openClock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { readSettings, type Settings, SettingsError } from '../runtime/settings.ts'
import { runDemo } from './demo/run-demo.ts'
import { explain } from './explain.ts'
import { houseAgents } from './house-agents.ts'
import { readOptions } from './read-options.ts'
import { type Company, runNode } from './run-node.ts'
import { agentsThere, startAgents } from './start-agents.ts'

const usage = `assay up [--no-demo] [--data-dir DIR] [--port N]    everything on this machine
  --no-demo        sends nothing by itself
  --data-dir DIR   where it keeps what it has, in place of ASSAY_DATA_DIR
  --port N         where it listens, in place of PORT

docs/operating.md has everything else, which is set by the environment.`

/**
 * Everything on one machine: a node, agents of three operators, each agent a process of its own, and a few sources that
 * send. Where operators are listed, or packets are not to go to agents, the node alone.
 */
export async function up(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (asked === undefined) {
    console.error(usage)
    return 2
  }
  if (asked.help) {
    console.log(usage)
    return 0
  }
  try {
    // Its log would stand between the lines for people; who wants it sets it.
    const env = { ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] || 'warn', ...asked.env }
    const settings = readSettings(env)
    if (!(await hasGround(settings))) return 1
    if (!wantsAgents(settings)) return await runNode(env, { onStep })
    const agents = await houseAgents(path.resolve(settings.ASSAY_DATA_DIR, 'agents'), Date.now())
    const operators = [...new Set(agents.map(({ operator }) => operator))]
    return await runNode(
      { ...env, EVENT_OPERATORS: operators.join(','), EVENT_OPERATORS_SIMULATED: 'true' },
      {
        onStep,
        async beside(node, log, stopping) {
          const readyMs = performance.now()
          onStep(`${agents.length} agents of ${operators.length} operators`)
          const running = await startAgents(agents, node, log, settings.LOG_LEVEL)
          // Until they are there, that packets cannot go to agents is nothing to tell of.
          const { level } = log
          log.level = 'fatal'
          await agentsThere(node.url, operators, agents.length, stopping)
          log.level = level
          const demo =
            asked.demo && wantsDemo(settings) ? await startDemo(node, settings, log, readyMs) : none
          return {
            said: [...running.said, ...demo.said],
            async stop() {
              // The agents go before the node: that rounds wait for them from here on is nothing to tell of.
              log.level = 'error'
              await demo.stop()
              await running.stop()
            },
          }
        },
      },
    )
  } catch (error) {
    console.error(error instanceof SettingsError ? `assay: ${error.message}` : `assay: ${explain(error)}`)
    return 1
  }
}

function read(args: readonly string[]) {
  const called = readOptions(args, {
    'no-demo': { type: 'boolean', default: false },
    'data-dir': { type: 'string' },
    port: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  })
  if (called === undefined || called.positionals.length > 0) return undefined
  const { 'data-dir': dataDir, port, help } = called.values
  const env = {
    ...(dataDir !== undefined && { ASSAY_DATA_DIR: dataDir }),
    ...(port !== undefined && { PORT: port }),
  }
  return { help, demo: !called.values['no-demo'], env }
}

function onStep(step: string): void {
  console.error(`assay: starting ${step} …`)
}

/** Looks before anything is started: what is missing is said at once, and not after half a minute. */
async function hasGround(settings: Settings): Promise<boolean> {
  const findings: Finding[] = [await checkPort(settings)]
  for await (const finding of checkGround(settings)) findings.push(finding)
  const troubles = findings.filter(({ state }) => state === 'wrong')
  for (const { name, seen, move } of troubles)
    console.error(`assay: ${name}: ${seen}${move === undefined ? '' : `. ${move}`}`)
  return !troubles.some(({ name }) => neededToStart.has(name))
}

/** Without the rest a node is slow, or takes no events, and still serves what it has. */
const neededToStart: ReadonlySet<string> = new Set(['port', 'installation', 'data folder'])

function wantsAgents(settings: Settings): boolean {
  return (
    settings.EVENT_OPERATORS.length === 0 &&
    settings.BRC22_JOB_ORCHESTRATION_ENABLED &&
    settings.EVENT_PROCESSING_AGENTS_ENABLED
  )
}

/** Where there is something to lose nothing is made up, nor where its sources could not send. */
function wantsDemo(settings: Settings): boolean {
  return (
    settings.ASSAY_NETWORK === 'local' &&
    settings.EVENT_INGESTION_ENABLED &&
    !settings.EVENT_IDENTITY_VERIFICATION_REQUIRED
  )
}

const none: Company = { said: [], async stop() {} }

async function startDemo(node: RunningNode, settings: Settings, log: Log, readyMs: number): Promise<Company> {
  const { stop } = await runDemo({
    url: node.url,
    registry: node.registry,
    log,
    now: openClock(settings.ASSAY_CLOCK_OFFSET_MS),
    onCertified(eventId) {
      const seconds = ((performance.now() - readyMs) / 1000).toFixed(1)
      console.error(
        `assay: the first event is certified, ${seconds} s after the node was ready: ${node.url}/events/${eventId}/trace`,
      )
    },
  })
  return {
    said: [
      '  demo      three sources that make things up: two thermometers in demo-greenhouse, which disagree every ten',
      '            seconds, and demo-turnstile. --no-demo does without',
      `  try       curl -N "${node.url}/overlay/events/stream"    certified events; "undecided" is where two disagree`,
      `            curl "${node.url}/feed?limit=5"                the newest, and how far they are`,
    ],
    stop,
  }
}
