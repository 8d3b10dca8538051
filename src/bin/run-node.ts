import { once } from 'node:events'
import { type RunningNode, startNode } from '../node.ts'
import { type Log, openLog } from '../runtime/log.ts'
import { readSettings, SettingsError } from '../runtime/settings.ts'
import { explain } from './explain.ts'

/** What runs beside a node, and stops before it. */
export type Company = { readonly said: readonly string[]; stop(): Promise<void> }

export type RunNodeOptions = {
  /** Started once the node is ready. `stopping` is aborted when it is asked to stop. */
  beside?(node: RunningNode, log: Log, stopping: AbortSignal): Promise<Company>
  /** Told of each part of the node before it is started. */
  onStep?(step: string): void
}

/** Runs a node until it is asked to stop. A second signal does not wait. */
export async function runNode(
  env: NodeJS.ProcessEnv = process.env,
  { beside = alone, ...options }: RunNodeOptions = {},
): Promise<number> {
  try {
    const settings = readSettings(env)
    const log = openLog(settings.LOG_LEVEL)
    const stopping = stopAsked()
    const node = await startNode(settings, log, options)
    try {
      const company = await beside(node, log, stopping)
      if (!stopping.aborted) {
        console.error(whatRuns(node, company, settings.PORTAL_ENABLED).join('\n'))
        await once(stopping, 'abort')
      }
      log.info({ signal: stopping.reason }, 'stopping')
      await company.stop()
    } finally {
      await node.stop()
    }
    return 0
  } catch (error) {
    console.error(
      error instanceof SettingsError
        ? `assay: ${error.message}`
        : `assay: the node does not start: ${explain(error)}`,
    )
    return 1
  }
}

function whatRuns({ url, network, dataDir }: RunningNode, company: Company, hasPortal: boolean): string[] {
  const isPrivate = network === 'local'
  return [
    `Assay is running at ${url} on the ${network} chain${isPrivate ? ', a private one of this machine: nothing on it has economic finality' : ''}.`,
    ...(hasPortal ? [`  portal    ${url}/portal/, in a browser`] : []),
    `  health    ${url}/health`,
    `  topics    ${url}/listTopicManagers`,
    dataDir === undefined ? '  data      in the database that DATABASE_URL names' : `  data      ${dataDir}`,
    ...company.said,
    '  Ctrl-C stops it; the next start goes on where it was.',
  ]
}

async function alone(): Promise<Company> {
  return { said: [], async stop() {} }
}

function stopAsked(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      process.once(signal, () => process.exit(1))
      stopping.abort(signal)
    })
  return stopping.signal
}
