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

/** `assay agent <kind>`, as a person would start it, or a program of somebody else's with the same settings. */
export async function startAgentProcess(
  name: AgentName,
  folder: string,
  nodeUrls: readonly string[],
  settings: ChildSettings = {},
  { options = [], program }: AgentCommand = {},
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
  const args = program === undefined ? ['agent', partsOf(name).stage] : []
  const start = (more: ChildSettings = {}) => startChild([...args, ...options], { ...own, ...more }, program)
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

export type AgentCommand = {
  readonly options?: readonly string[] | undefined
  /** What node is called with. */
  readonly program?: readonly string[] | undefined
}
