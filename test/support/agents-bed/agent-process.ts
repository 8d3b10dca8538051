import { type Child, type ChildSettings, startChild } from '../../node/child-node.ts'
import { freePort } from '../free-port.ts'
import { type AgentName, partsOf, writeAgentFiles } from './operators.ts'

export type AgentProcess = {
  readonly name: AgentName
  readonly url: string
  /** The process there is now. */
  child(): Child
  /** After a kill: another process, with the same key, at the same address. */
  restart(more?: ChildSettings): void
}

/** `assay agent <kind>`, as a person would start it. */
export async function startAgentProcess(
  name: AgentName,
  folder: string,
  nodeUrls: readonly string[],
  settings: ChildSettings = {},
  options: readonly string[] = [],
): Promise<AgentProcess> {
  const { keyFile, operatorFile } = await writeAgentFiles(folder, name)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const own = {
    AGENT_HOST: '127.0.0.1',
    AGENT_PORT: String(port),
    AGENT_PUBLIC_URL: url,
    AGENT_NODES: nodeUrls.join(','),
    AGENT_KEY_FILE: keyFile,
    AGENT_OPERATOR_FILE: operatorFile,
    ...settings,
  }
  const start = (more: ChildSettings = {}) =>
    startChild(['agent', partsOf(name).stage, ...options], { ...own, ...more })
  let child = start()
  return {
    name,
    url,
    child: () => child,
    restart(more) {
      child = start(more)
    },
  }
}
