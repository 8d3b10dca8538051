import { type RunningNode, startNode } from '../node.ts'
import { type Log, openLog } from '../runtime/log.ts'
import { readSettings, type Settings, SettingsError } from '../runtime/settings.ts'
import { explain } from './explain.ts'

/** What runs beside a node, and stops before it. */
export type Company = { readonly said: readonly string[]; stop(): Promise<void> }

/** Runs a node until it is asked to stop. A second signal does not wait. */
export async function runNode(
  env: NodeJS.ProcessEnv = process.env,
  beside: (node: RunningNode, settings: Settings, log: Log) => Promise<Company> = alone,
): Promise<number> {
  try {
    const settings = readSettings(env)
    const log = openLog(settings.LOG_LEVEL)
    const asked = stopAsked()
    const node = await startNode(settings, log)
    const company = await beside(node, settings, log)
    console.error(
      [
        `Assay is running at ${node.url} on the ${node.network} chain${node.network === 'local' ? ', a private one of this machine: nothing on it has economic finality' : ''}.`,
        `  health    ${node.url}/health`,
        `  topics    ${node.url}/listTopicManagers`,
        node.dataDir === undefined
          ? '  data      in the database that DATABASE_URL names'
          : `  data      ${node.dataDir}`,
        ...company.said,
        '  Ctrl-C stops it; the next start goes on where it was.',
      ].join('\n'),
    )
    const signal = await asked
    log.info({ signal }, 'stopping')
    process.once(signal, () => process.exit(1))
    await company.stop()
    await node.stop()
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

async function alone(): Promise<Company> {
  return { said: [], async stop() {} }
}

function stopAsked(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
}
