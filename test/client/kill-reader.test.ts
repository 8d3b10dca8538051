import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest'
import * as z from 'zod'
import { openPublisher } from '../../src/client/index.ts'
import { choicesFrom } from '../core/rounds/simulator/choices.ts'
import { pause } from '../node/submit-load.ts'
import { agentNames, operatorNames, operatorOf } from '../support/agents-bed/operators.ts'
import { type AgentsBed, agentsBed, bedSource } from '../support/agents-bed.ts'
import { until } from '../support/until.ts'

// By hand, what is promised: ASSAY_CLIENT_KILLS=100 ASSAY_CLIENT_SECONDS=600 npx vitest run test/client/kill-reader.test.ts
const kills = Number(process.env['ASSAY_CLIENT_KILLS'] ?? 5)
/** So long events are sent at least. */
const seconds = Number(process.env['ASSAY_CLIENT_SECONDS'] ?? 0)
const perSecond = Number(process.env['ASSAY_CLIENT_RATE'] ?? 100)
const seed = Number(process.env['ASSAY_SEED'] ?? 20261121)
const momentMsMax = 400

describe('a reader that verifies what it reads', () => {
  let bed: AgentsBed
  beforeAll(async () => {
    // Of the lowest level one operator is enough, which spares six processes.
    bed = await agentsBed({ absent: agentNames.filter(name => !name.startsWith('north/')) })
  }, 120_000)
  afterAll(() => bed.stop())

  test(`has every event once, verified and in order, killed and started again ${kills} times under load`, {
    timeout: 120_000 + 1_000 * seconds + kills * 20_000,
  }, async () => {
    const choices = choicesFrom(seed)
    const journal = path.join(bed.folder, 'journal')
    onTestFailed(async () => void process.stderr.write(await bed.describe()))
    const { logKey } = z
      .object({ logKey: z.string() })
      .parse(await (await fetch(`${bed.url}/identity`)).json())
    const start = () =>
      startReader([
        bed.url,
        journal,
        logKey,
        operatorNames.map(name => operatorOf(name).identityKey).join(','),
      ])

    const load = beginLoad(bed.url)
    const untilMs = Date.now() + 1_000 * seconds
    for (let n = 0; n < kills || Date.now() < untilMs; n++) {
      const before = linesOf(journal).length
      const reader = start()
      // Now and then it is killed before it has got anywhere.
      if (choices.chance(80)) await until(() => reader.hasExited() || linesOf(journal).length > before)
      await pause(choices.pick(momentMsMax))
      expect(reader.said()).toBe('')
      await reader.kill()
      if (kills > 0 && n < kills - 1) await pause(Math.max(0, ((untilMs - Date.now()) / (kills - n)) * 0.5))
    }
    const sent = await load.end()
    const reader = start()
    await until(() => reader.hasExited() || idsIn(journal).length >= sent.length)
    expect(reader.said()).toBe('')
    await reader.kill()

    const told = linesOf(journal).map(line => toldShape.parse(JSON.parse(line)))
    expect(told.filter(({ type }) => type !== 'event')).toEqual([])
    expect(idsIn(journal).sort()).toEqual([...sent].sort())
    expect(new Set(told.map(({ verified }) => verified))).toEqual(new Set(['signed']))
    const places = told.map(({ packetNo, line }) => ({ packetNo, line }))
    expect(places).toEqual(
      [...places].sort((a, b) => a.packetNo - b.packetNo || (a.line ?? 0) - (b.line ?? 0)),
    )
    process.stdout.write(
      `read ${told.length} events once, in ${new Set(places.map(({ packetNo }) => packetNo)).size} packets\n`,
    )
  })
})

const toldShape = z.object({
  type: z.string(),
  id: z.string().nullable(),
  packetNo: z.number(),
  line: z.number().nullable(),
  verified: z.string(),
  notChecked: z.array(z.string()),
})

function linesOf(journal: string): string[] {
  return existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').slice(0, -1) : []
}

function idsIn(journal: string): string[] {
  return linesOf(journal).flatMap(line => toldShape.parse(JSON.parse(line)).id ?? [])
}

/** Sends on and on; resolves, at its end, with the ids that a node has given. */
function beginLoad(url: string) {
  const publisher = openPublisher({ url, sourceId: bedSource, level: 'basic' })
  const answers: Promise<string>[] = []
  let goesOn = true
  const sending = (async () => {
    for (let n = 0; goesOn; n++) {
      const event = { eventType: 'reading', externalId: `reading-${n}`, data: { celsius: n % 40 } }
      answers.push(
        publisher.send(event).then(outcome => {
          if (outcome.status !== 'accepted') throw new Error(JSON.stringify(outcome))
          return outcome.eventId
        }),
      )
      await publisher.room()
      await pause(1_000 / perSecond)
    }
  })()
  return {
    async end() {
      goesOn = false
      await sending
      await publisher.close()
      return Promise.all(answers)
    },
  }
}

function startReader(args: readonly string[]) {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', program, ...args],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  )
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', text => {
    said += text
  })
  const exited = once(child, 'exit')
  return {
    said: () => said,
    hasExited: () => child.exitCode !== null,
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

const program = fileURLToPath(new URL('journal-process.ts', import.meta.url))
