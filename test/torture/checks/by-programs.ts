import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { startChild } from '../../node/child-node.ts'
import { operatorNames, operatorOf } from '../../support/agents-bed/operators.ts'
import type { Cluster } from '../cluster.ts'

/** What an operator would ask: the log as it is exported and verified, and what the doctor says. */
export async function askPrograms(
  { folder, nodeSettings, nodeUrls }: Cluster,
  program: readonly string[],
): Promise<string[]> {
  const exported = path.join(folder, 'log.export')
  const operators = path.join(folder, 'operators.txt')
  await writeFile(operators, operatorNames.map(name => `${operatorOf(name).identityKey}\n`).join(''))
  const identity: unknown = await (await fetch(`${nodeUrls[0]}/identity`)).json()
  const log =
    typeof identity === 'object' && identity !== null && 'logKey' in identity ? `${identity.logKey}` : ''
  const commands = [
    ['export', '--out', exported],
    ['verify', '--all', exported, '--log', log, '--operators', operators, '--require', 'signed'],
    ['doctor', '--deep'],
  ]
  const faults: string[] = []
  for (const command of commands) {
    const child = startChild(command, { ...nodeSettings, PORT: new URL(nodeUrls[0] ?? '').port }, program)
    const { code } = await child.exited
    if (code !== 0) faults.push(`assay ${command[0]} ended with ${code}: ${child.said().trim()}`)
  }
  return faults
}
