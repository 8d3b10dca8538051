import * as z from 'zod'
import { fromUtf8 } from '../../src/core/bytes.ts'
import { identityKey } from '../../src/core/schema.ts'
import type { Call } from './call.ts'

/**
 * Whose jobs an agent takes, where nobody has listed any: on a local chain those of its nodes, each of which has to answer.
 * On any other it would work, and answer, for whoever asks.
 */
export async function logsOf(nodes: readonly string[], call: Call): Promise<string[]> {
  const logs: string[] = []
  for (const node of nodes) {
    const { network, logKey } = await identityOf(node, call)
    if (network !== 'local')
      throw new Error(
        `${node} is on ${network}, where an agent is told whom it works for: list the identity keys of logs in AGENT_LOGS`,
      )
    logs.push(logKey)
  }
  return logs
}

/** Whether its nodes are on a local chain, of which the first one that answers is believed. */
export async function areLocal(nodes: readonly string[], call: Call): Promise<boolean> {
  let failure: unknown
  for (const node of nodes) {
    try {
      return (await identityOf(node, call)).network === 'local'
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function identityOf(node: string, call: Call): Promise<z.output<typeof identity>> {
  const { status, body } = await call(`${node.replace(/\/$/, '')}/identity`)
  const read = identity.safeParse(status === 200 ? jsonIn(body) : undefined)
  if (!read.success) throw new Error(`${node} does not say at /identity which log it keeps (${status})`)
  return read.data
}

const identity = z.object({ network: z.string(), logKey: identityKey })

function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body) ?? '')
  } catch {
    // The schema says that it is not what was asked for.
    return undefined
  }
}
