import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { postgresCertificatesIndex } from '../../src/adapters/indexes/certificates-index.ts'
import { verify } from '../../src/bin/verify.ts'
import { readBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { readPacketProof } from '../../src/contract/proof.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { knownHex } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { recordWrites } from '../lookup-services/record-writes.ts'
import { assayProgram } from '../support/assay-program.ts'
import { certifiedRound } from '../support/certified-round.ts'
import { party, payTo, tokenSpend } from '../support/pipeline.ts'
import { type ProofApp, proofApp } from '../support/proof-app.ts'
import { asShown, shownCommands } from '../support/shown-commands.ts'
import { type TracedRound, tracedRound } from '../support/traced-round.ts'
import { until } from '../support/until.ts'

let round: TracedRound
let app: ProofApp
const folder = mkdtempSync(join(tmpdir(), 'assay-verify-node-'))
beforeAll(async () => {
  round = await tracedRound()
  app = await proofApp(round)
}, 60_000)
afterAll(async () => {
  await app.stop()
  await round.end()
  rmSync(folder, { recursive: true })
  expect(app.failures).toEqual([])
})
afterEach(() => vi.restoreAllMocks())

async function run(...args: string[]) {
  const said: string[] = []
  vi.spyOn(console, 'log').mockImplementation(text => said.push(text))
  vi.spyOn(console, 'error').mockImplementation(text => said.push(text))
  return { code: await verify(args), said: said.join('\n') }
}

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const eventId = () => round.event(0, 0).eventId
const lists = () => [
  ...['--log', party('log').identityKey],
  '--operators',
  file('operators.txt', round.decided.round.operators.map(({ identityKey }) => `${identityKey}\n`).join('')),
]
const headers = async () => {
  const { body } = await app.get('/chain/headers?from=0&count=2000&format=json')
  return ['--headers', file('headers.json', body.toString()), '--allow-local', '--require', 'proven']
}
const proofFile = async () =>
  file('event.assay.json', (await app.get(`/events/${eventId()}/proof`)).body.toString())

describe('assay verify, with a node', () => {
  test('says what is missing where the node has no proof yet', async () => {
    expect(await run(eventId(), '--node', app.url)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/409.*not certified yet/),
    })
    expect(await run('ab'.repeat(32), '--node', app.url)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/404/),
    })
  })

  test('gets the proof of an event, holds it against the lists, and asks whether it stands', async () => {
    await round.certify()
    expect(await run(eventId(), '--node', app.url)).toMatchObject({
      code: 3,
      said: expect.stringMatching(/^CONSISTENT/),
    })
    await round.prove()
    const { code, said } = await until(async () => {
      const told = await run(eventId(), '--node', app.url, ...lists(), ...(await headers()))
      return told.code === 0 && told
    })
    expect(code).toBe(0)
    expect(said).toMatch(/^PROVEN \(on a private chain\)/)
    expect(said).toMatch(/node +not spent, block \d+, \d+ confirmations?, says http/)
    expect(said).not.toContain('revoked or superseded')
  })

  test('raises no level by the word of a node', async () => {
    const { code, said } = await run(eventId(), '--node', app.url)
    expect([code, said.split(' ')[0]]).toEqual([3, 'CONSISTENT'])
    expect(said).toContain('nobody said which logs and operators to trust')
  })

  test('does the work of the packet again, and finds what was agreed', async () => {
    const { code, said } = await run(eventId(), '--node', app.url, ...lists(), '--replay')
    expect(said).toMatch(/replayed +the policies make of the events what was agreed, at every stage/)
    expect(said).not.toContain('replay them')
    expect(code).toBe(0)
    expect(await run(await proofFile(), '--replay')).toMatchObject({
      code: 2,
      said: expect.stringContaining('--replay needs --node'),
    })
  })

  test('says what each part of the policies did to the event', async () => {
    const { code, said } = await run(eventId(), '--node', app.url, ...lists(), '--explain')
    expect(said).toContain('explained')
    expect(code).toBe(0)
    const { said: json } = await run(eventId(), '--node', app.url, ...lists(), '--explain', '--json')
    expect(JSON.parse(json)).toMatchObject({ explained: expect.any(Array) })
    expect(await run(await proofFile(), '--explain')).toMatchObject({
      code: 2,
      said: expect.stringContaining('--explain needs --node'),
    })
    const { body } = await app.get(`/packets/${round.packets[1]?.packetId}/proof`)
    const packet = await run(
      file('packet.assay.json', body.toString()),
      ...['--node', app.url],
      ...lists(),
      '--explain',
    )
    expect(packet).toMatchObject({ code: 3, said: expect.stringContaining('nothing was explained') })
  })

  test('checks a packet as it checks an event', async () => {
    const { body } = await app.get(`/packets/${round.packets[1]?.packetId}/proof`)
    const { code, said } = await run(
      file('packet.assay.json', body.toString()),
      '--node',
      app.url,
      ...lists(),
      '--replay',
    )
    expect([code, said.split(' ')[0]]).toEqual([0, 'SIGNED'])
    expect(said).toContain(`packet ${round.packets[1]?.packetId}, 3 events`)
  })

  test('says that it could not ask, and does not call that well', async () => {
    const nobody = await run(await proofFile(), ...lists(), '--node', 'http://127.0.0.1:9')
    expect(nobody.code).toBe(3)
    expect(nobody.said).toMatch(/^SIGNED.*Not checked:.*127\.0\.0\.1:9 does not answer/s)
    // A certificate that this node has never heard of.
    const foreign = file(
      'foreign.assay.json',
      canonicalJson(certifiedRound({ level: 'critical' }).proof(0, 0)),
    )
    const unknown = await run(foreign, ...lists(), '--node', app.url)
    expect([unknown.code, unknown.said.includes('could not say whether the certificate stands')]).toEqual([
      3,
      true,
    ])
    for (const odd of ['ftp://node', 'node'])
      expect(await run(foreign, '--node', odd)).toMatchObject({
        code: 2,
        said: expect.stringContaining('--node'),
      })
  })

  test('takes a proof of nothing else than the event it has asked about', async () => {
    const ofAnother = canonicalJson(certifiedRound({ level: 'critical' }).proof(0, 1))
    const { body: ofPacket } = await app.get(`/packets/${round.decided.round.packets[0]?.packetId}/proof`)
    for (const given of [ofAnother, ofPacket.toString()]) {
      const liar = createServer((_, response) => response.end(given))
      liar.listen(0, '127.0.0.1')
      await once(liar, 'listening')
      const { port } = z.object({ port: z.number() }).parse(liar.address())
      const { code, said } = await run(eventId(), ...lists(), '--node', `http://127.0.0.1:${port}`)
      expect([code, said]).toEqual([1, expect.stringMatching(/^INVALID: .*gave the proof of something else/)])
      liar.close()
    }
  })

  test('prints what docs/verify.md shows', async () => {
    const page = readFileSync(new URL('../../docs/verify.md', import.meta.url), 'utf8')
    const shown = shownCommands(page).filter(({ args }) => args.includes('--node') && !args.includes('--all'))
    expect(shown).toHaveLength(3)
    const [, log = ''] = lists()
    const [, , , operators = ''] = lists()
    const here: Readonly<Record<string, string>> = { EVENT_ID: eventId(), 'operators.txt': operators }
    for (const { args, shown: text } of shown) {
      // The page names the log of the vectors.
      const real = args.map(
        arg => here[arg] ?? (/^0[23]/.test(arg) ? log : arg.replace('http://localhost:8080', app.url)),
      )
      const { said } = await run(...real.slice(1))
      expect(`${said.replaceAll(app.url, 'http://localhost:8080')}\n`).toMatch(asShown(text))
    }
  })

  test('says the same as JSON', async () => {
    const { code, said } = await run(eventId(), '--node', app.url, ...lists(), '--replay', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(said)).toMatchObject({
      level: 'signed',
      node: { node: app.url, certificate: 'stands', revokedBy: null, supersededBy: [] },
      exitCode: 0,
      replay: { kind: 'same', buildsOn: null },
    })
  })
})

describe('assay verify', () => {
  test('reads a proof from standard input', async () => {
    const { body } = await app.get(`/events/${eventId()}/proof`)
    const child = spawn(process.execPath, [...assayProgram, 'verify', '-'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdin.end(body)
    let said = ''
    for await (const part of child.stdout) said += part
    expect(said).toMatch(/^CONSISTENT/)
    expect(await until(async () => child.exitCode !== null && { code: child.exitCode })).toEqual({ code: 3 })
  })
})

describe('assay verify, after a reorganisation', () => {
  test('refuses the old file by the new headers, and takes the new one', async () => {
    const { chain } = round.bed.bed
    const old = await proofFile()
    const told = await run(old, ...lists(), ...(await headers()))
    const height = Number(/block (\d+), local/.exec(told.said)?.[1])
    expect(await chain.reorganise({ depth: (await chain.tip()).height - height + 1 })).toMatchObject({
      kind: 'reorganised',
    })
    expect(await run(old, ...lists(), ...(await headers()))).toMatchObject({
      code: 1,
      said: expect.stringMatching(/^INVALID: block \d+ has another Merkle root/),
    })
    await until(
      async () => (await run(eventId(), '--node', app.url, ...lists(), ...(await headers()))).code === 0,
    )
  })
})

describe('assay verify, where another version has taken the place of one', () => {
  test('says which, as the log says it, and takes no stranger’s word for it', async () => {
    const superseded = round.packets[1]?.certified.versionId ?? ''
    const kept = file('kept.json', (await app.get(`/events/${other()}/proof`)).body.toString())
    const asked = () => run(kept, ...lists(), '--node', app.url)
    await supersede('false', 'liar', superseded)
    expect((await asked()).code).toBe(0)
    await supersede('later', 'log', superseded)
    const { code, said } = await asked()
    expect(said).toMatch(/^SUPERSEDED, though SIGNED/)
    expect(said).toContain(`SUPERSEDED by version ${sha256Hex('later')}`)
    expect(code).toBe(4)
  })

  const other = () => round.event(1, 0).eventId

  /** As the topic's index lists a certificate whose token says so. */
  const supersede = (name: string, issuer: 'log' | 'liar', superseded: string) => {
    const { pool } = round.bed.bed.database
    const listed = {
      ...{ txid: sha256Hex(name), vout: 1, coordinator: party(issuer).identityKey },
      ...({ roundId: sha256Hex('round'), index: 0, template: 'packet', level: 'enhanced' } as const),
      ...{
        packetId: sha256Hex('packet'),
        versionId: sha256Hex(name),
        supersedes: superseded,
        manifest: null,
      },
    }
    return recordWrites(pool, Date.now(), () => postgresCertificatesIndex(pool).put(listed))
  }
})

describe('assay verify, after a certificate was revoked', () => {
  test('says so with a node, by which transaction, and that offline it cannot know', async () => {
    const kept = await proofFile()
    const spending = await revoke()
    const { code, said } = await run(kept, ...lists(), '--node', app.url)
    expect(said).toMatch(/^REVOKED, though SIGNED/)
    expect(said).toContain(`REVOKED by ${spending}`)
    expect(code).toBe(4)
    const told = await run(kept, ...lists(), '--node', app.url, '--json')
    expect(JSON.parse(told.said)).toMatchObject({ exitCode: 4, node: { certificate: 'revoked' } })
    const offline = await run(kept, ...lists())
    expect([offline.code, offline.said.includes('revoked or superseded since: ask a node')]).toEqual([
      0,
      true,
    ])
    expect(await run(eventId(), '--node', app.url)).toMatchObject({
      code: 4,
      said: expect.stringContaining(spending),
    })
  })

  /** The log spends the token of the first packet's certificate; the node hears of it as anybody submits it. */
  async function revoke(): Promise<string> {
    const { bed } = round.bed
    const log = party('log')
    const [packet] = round.packets
    const { body } = await app.get(`/packets/${packet?.packetId}/proof`)
    const proof = orThrow(readPacketProof(body.toString()))
    const { subject, transactions } = orThrow(readBeef(knownHex(proof.beef)))
    const [fee] = await bed.fund(log, 1, 1000)
    if (fee === undefined || packet === undefined) throw new Error('nothing to revoke, or to pay with')
    const token = tokenSpend(subject, 1, 'GDC1', packet.certified.versionId, log)
    const spending = signTransaction([token, fee], [payTo(log, 100)])
    orThrow(
      await bed.overlay.submit({
        beef: bed.beefOf(spending, ...transactions),
        topics: [baseTopics.certified],
      }),
    )
    return spending.txid
  }
})
