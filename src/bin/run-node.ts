import { startNode } from '../node.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings, SettingsError } from '../runtime/settings.ts'
import { explain } from './explain.ts'

/** Runs a node until it is asked to stop. A second signal does not wait. */
export async function runNode(): Promise<number> {
  try {
    const settings = readSettings(process.env)
    const log = openLog(settings.LOG_LEVEL)
    const asked = stopAsked()
    const node = await startNode(settings, log)
    console.error(
      [
        `Assay is running at ${node.url} on the ${node.network} chain${node.network === 'local' ? ', a private one of this machine: nothing on it has economic finality' : ''}.`,
        `  health    ${node.url}/health`,
        `  topics    ${node.url}/listTopicManagers`,
        node.dataDir === undefined
          ? '  data      in the database that DATABASE_URL names'
          : `  data      ${node.dataDir}`,
        '  Ctrl-C stops it; the next start goes on where it was.',
      ].join('\n'),
    )
    const signal = await asked
    log.info({ signal }, 'stopping')
    process.once(signal, () => process.exit(1))
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

function stopAsked(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
}
