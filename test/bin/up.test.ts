import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { isAlive } from '../../src/adapters/postgres/embedded/postmaster.ts'
import { subscribe } from '../../src/client/index.ts'
import { type Child, startChild } from '../node/child-node.ts'
import { nodeHome } from '../node/node-home.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

/** A process takes its time to start on a busy machine, and there are ten of them, twice. */
const STARTS_MS_MAX = 600_000

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
}, 60_000)

function start(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Child {
  const child = startChild(['up', ...args], settings)
  undo.push(() => child.kill())
  return child
}

describe('assay up', () => {
  test('certifies what its demo sends, goes on after it was killed, and leaves nothing running', {
    timeout: STARTS_MS_MAX,
  }, async () => {
    const { dataDir, postmaster, remove } = await nodeHome()
    undo.push(remove)
    const port = String(await freePort())
    const args = ['--port', port, '--data-dir', dataDir]
    const url = `http://127.0.0.1:${port}`

    const first = start(args)
    const eventId = await certifiedBy(first)
    expect(first.said()).toContain(`data      ${dataDir}`)
    expect(first.said()).toContain('one person')
    expect(await disagreement(url)).toEqual({
      decision: 'undecided',
      value: null,
      sources: ['demo-thermometer-1', 'demo-thermometer-2'],
      reasons: ['no-quorum', 'no-quorum'],
    })
    const agents = childrenOf(first.pid)
    expect(agents).toHaveLength(9)
    await first.kill()
    await until(() => !agents.some(isAlive))

    const second = start(args)
    expect(await certifiedBy(second)).not.toBe(eventId)
    await until(async () => (await stateOf(url, eventId)) === 'proven')
    const others = childrenOf(second.pid)
    second.signal('SIGINT')
    expect(await second.exited).toEqual({ code: 0, signal: null })
    expect(others.filter(isAlive)).toEqual([])
    expect(postmaster()).toBe(undefined)
  })

  async function certifiedBy(child: Child): Promise<string> {
    const said = /the first event is certified, [\d.]+ s after .*\/events\/([0-9a-f]{64})\/trace/
    return until(() => {
      if (child.hasExited()) throw new Error(`it has ended:\n${child.said()}`)
      return said.exec(child.said())?.[1]
    })
  }

  async function disagreement(url: string) {
    for await (const { message } of subscribe({
      url,
      from: 'earliest',
      filter: { streams: ['demo-greenhouse'] },
    })) {
      if (message.type !== 'fused') continue
      const { decision, value, overruled } = fused.parse(message.data)
      if (decision !== 'undecided' || overruled.length < 2) continue
      const sources = overruled.map(({ sourceId }) => sourceId).sort()
      return { decision, value, sources, reasons: overruled.map(({ reason }) => reason) }
    }
    throw new Error('live events have an end only where they are closed')
  }

  async function stateOf(url: string, eventId: string): Promise<string> {
    return z.object({ state: z.string() }).parse(await (await fetch(`${url}/events/${eventId}`)).json()).state
  }
})

const fused = z.object({
  decision: z.string(),
  value: z.number().nullable(),
  overruled: z.array(z.object({ sourceId: z.string(), reason: z.string() })),
})

function childrenOf(parent: number): number[] {
  const listed = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
  return listed.split('\n').flatMap(line => {
    const [, pid, ppid, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return Number(ppid) === parent && / agent (normalize|validate|certify) /.test(args) ? [Number(pid)] : []
  })
}

describe('assay up says what to do', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'assay-up-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  async function refusal(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
    const child = start(args, settings)
    const { code } = await child.exited
    return { code, said: child.said() }
  }

  test('where its port is taken', { timeout: STARTS_MS_MAX }, async () => {
    const taken = createServer()
    taken.listen(0, '127.0.0.1')
    await once(taken, 'listening')
    undo.push(async () => taken.close())
    const address = taken.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    expect(await refusal(['--port', port, '--data-dir', folder])).toEqual({
      code: 1,
      said: expect.stringMatching(
        new RegExp(`^assay: port: 127.0.0.1, port ${port} .*EADDRINUSE.*assay up --port`),
      ),
    })
  })

  test('where its data folder cannot be one', { timeout: STARTS_MS_MAX }, async () => {
    const file = path.join(folder, 'file')
    writeFileSync(file, '')
    for (const dataDir of [file, path.join(file, 'below')])
      expect(await refusal(['--port', '0', '--data-dir', dataDir])).toEqual({
        code: 1,
        said: expect.stringMatching(/^assay: data folder: .*Move it away, or set ASSAY_DATA_DIR/),
      })
  })

  test('where a setting or an option is wrong', { timeout: STARTS_MS_MAX }, async () => {
    expect(await refusal(['--port', 'eighty'])).toEqual({
      code: 1,
      said: expect.stringContaining('PORT: "eighty"'),
    })
    expect(await refusal(['--demo-less'])).toEqual({ code: 2, said: expect.stringContaining('--no-demo') })
    expect(await refusal(['--help'])).toEqual({ code: 0, said: expect.stringContaining('--data-dir DIR') })
  })
})
