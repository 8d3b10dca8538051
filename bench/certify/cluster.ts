import { type ChildProcess, fork } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { issuerOf, newKey } from '../../src/adapters/keys/new-key.ts'
import { signOperatorWord } from '../../src/contract/operator.ts'
import { toHex } from '../../src/core/bytes.ts'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { freePort } from '../../test/support/free-port.ts'

/** A node, and the agents of three operators, each a process of its own. */
export type Cluster = {
  readonly url: string
  readonly nodePid: number
  readonly agentPids: readonly number[]
  /** The same, by what they do. */
  readonly agentsByStage: ReadonlyMap<Stage, readonly number[]>
  /** Identity keys. */
  readonly operators: readonly string[]
  /** Begins profiles, and ends them; only where there is a place for them. */
  profile(): void
  stop(): Promise<void>
}

export type ClusterOptions = {
  readonly folder: string
  readonly databaseUrl: string
  readonly settings: Readonly<Record<string, string>>
  /** Without agents the same work is done up to packets, and nothing behind them. */
  readonly hasAgents: boolean
  /** Where each process leaves a CPU profile of what it did between two calls of `profile`. */
  readonly profilesIn?: string
}

const OPERATORS = 3
const FROM_MS = 0
const TO_MS = 4_000_000_000_000

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { folder, databaseUrl, settings, hasAgents } = options
  await mkdir(folder, { recursive: true })
  const operators = Array.from({ length: OPERATORS }, newKey)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const children: ChildProcess[] = []
  const start = (args: string[], env: Readonly<Record<string, string>>) => {
    const child = startProcess(args, { LOG_LEVEL: 'warn', ...env }, options.profilesIn)
    children.push(child)
    return child
  }
  const stop = async () => {
    // Agents first: they take their adverts back at the node.
    for (const child of children.toReversed()) await end(child)
  }
  try {
    const node = start(['node'], {
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      ASSAY_DATA_DIR: path.join(folder, 'node'),
      EVENT_OPERATORS: operators.map(({ identityKey }) => identityKey).join(','),
      ...(!hasAgents && { BRC22_JOB_ORCHESTRATION_ENABLED: 'false', EVENT_DEGRADED_MODE: 'wait' }),
      ...settings,
    })
    await untilReady(`${url}/health/ready`, node)
    const agents: ChildProcess[] = []
    const byStage = new Map<Stage, number[]>(stages.map(stage => [stage, []]))
    for (const [n, operator] of hasAgents ? operators.entries() : [])
      for (const stage of stages) {
        const port = await freePort()
        const files = await writeFiles(path.join(folder, `${n}-${stage}`), operator.privateKey)
        const agent = start(['agent', stage], {
          AGENT_PORT: String(port),
          AGENT_NODES: url,
          AGENT_KEY_FILE: files.key,
          AGENT_OPERATOR_FILE: files.word,
        })
        await untilReady(`http://127.0.0.1:${port}/health`, agent)
        agents.push(agent)
        byStage.get(stage)?.push(pidOf(agent))
      }
    return {
      url,
      nodePid: pidOf(node),
      agentPids: agents.map(pidOf),
      agentsByStage: byStage,
      operators: operators.map(({ identityKey }) => identityKey),
      profile() {
        if (options.profilesIn !== undefined) for (const child of children) child.kill('SIGUSR2')
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function startProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  profilesIn: string | undefined,
): ChildProcess {
  const program = new URL(`../../src/bin/assay${path.extname(import.meta.url)}`, import.meta.url)
  const preload = new URL(`../certify-profile-preload${path.extname(import.meta.url)}`, import.meta.url)
  const profiling = profilesIn === undefined ? [] : ['--import', preload.href]
  const file = path.join(profilesIn ?? '', `${args.join('-')}-${profiles++}.cpuprofile`)
  return fork(fileURLToPath(program), args, {
    // What it tells a person who starts it is not the benchmark's.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [...process.execArgv, ...profiling],
    env: { ...process.env, ...env, ASSAY_BENCH_PROFILE: file },
  })
}

let profiles = 0

/** Its key, and its operator's word. */
async function writeFiles(base: string, operator: Uint8Array): Promise<{ key: string; word: string }> {
  const { identityKey, privateKey } = newKey()
  const files = { key: `${base}.key.json`, word: `${base}.operator.json` }
  const key = { identityKey, privateKey: toHex(privateKey), createdMs: FROM_MS }
  await writeFile(files.key, JSON.stringify({ v: 1, kind: 'agent', keys: [key] }), { mode: 0o600 })
  const word = {
    operator: issuerOf(operator).identityKey,
    operatorSig: toHex(signOperatorWord(operator, identityKey, FROM_MS, TO_MS)),
    fromMs: FROM_MS,
    toMs: TO_MS,
  }
  await writeFile(files.word, JSON.stringify(word))
  return files
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const givenUpMs = performance.now() + READY_MS_MAX
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${url}: the process ended with ${child.exitCode}`)
    const said = await ask(url)
    if (said === 'ready') return
    if (performance.now() > givenUpMs)
      throw new Error(`${url} is not ready after ${READY_MS_MAX} ms; it says: ${said}`)
    await sleep(LOOK_EVERY_MS)
  }
}

const LOOK_EVERY_MS = 100
const READY_MS_MAX = 120_000

/** `ready`, or why it is not. */
async function ask(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(LOOK_MS_MAX) })
    const text = await response.text()
    return response.ok ? 'ready' : text
  } catch (error) {
    return String((error instanceof Error && error.cause) || error)
  }
}

const LOOK_MS_MAX = 10_000

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('a process could not be started')
  return pid
}
