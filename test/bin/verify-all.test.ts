import { readFileSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { openRecordWriter } from '../../src/bin/export/record-file.ts'
import { exportLog } from '../../src/bin/export.ts'
import { verify } from '../../src/bin/verify.ts'
import { openAudit } from '../../src/contract/audit/audit.ts'
import type { AuditState } from '../../src/contract/audit/audit-state.ts'
import type { FindingKind } from '../../src/contract/audit/findings.ts'
import { type ExportRecord, readRecords } from '../../src/contract/audit/records.ts'
import { advance, atBeginning, type ExportSource, exportRecords } from '../../src/contract/audit/sequence.ts'
import { orThrow } from '../../src/core/fault.ts'
import { undocumented } from '../http/openapi-checks.ts'
import { readApiDocument } from '../http/openapi-document.ts'
import { HttpClient } from '../http/raw-http.ts'
import { operatorNames, operatorOf } from '../support/agents-bed/operators.ts'
import { bedSource } from '../support/agents-bed.ts'
import { asShown, shownCommands } from '../support/shown-commands.ts'
import { type SoundLog, soundLog } from '../support/sound-log.ts'

/** By hand, with as many events in a packet as one likes: ASSAY_PACKET_EVENTS=5000 npx vitest run test/bin/verify-all.test.ts */

let log: SoundLog
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'assay-verify-all-'))
  log = await soundLog()
}, 300_000)
afterAll(async () => {
  await log.end()
  await rm(folder, { recursive: true })
}, 300_000)
afterEach(() => vi.restoreAllMocks())

async function audited(source: ExportSource): Promise<AuditState> {
  const audit = openAudit({})
  for await (const record of exportRecords(source, null)) orThrow(audit.take(record))
  return audit.state()
}

async function run(command: typeof verify, ...args: string[]) {
  const said: string[] = []
  vi.spyOn(console, 'log').mockImplementation(text => said.push(text))
  vi.spyOn(console, 'error').mockImplementation(text => said.push(text))
  return { code: await command(args), said: said.join('\n') }
}

/** Of packet 1 of the one partition with events, in what the log keeps. */
const ofPacket = `partition_id = (select partition_id from packets where packet_no = 1) and packet_no = 1`
const lines = (change: string) =>
  `update segments set lines = convert_to(${change.replaceAll('LINES', `convert_from(lines, 'UTF8')`)}, 'UTF8')
    where (partition_id, first_seq) = (select partition_id, first_seq from packets where packet_no = 1)`
const line = (n: number) => `split_part(LINES, E'\\n', ${n}) || E'\\n'`

type Case = {
  readonly what: string
  readonly by: readonly string[]
  readonly kind: FindingKind
  /** What the finding is about, and says. */
  readonly packetNo: number | null
  readonly says: RegExp
  readonly seq?: number
}

const perPacket = () => log.events / log.packets
const cases: readonly Case[] = [
  {
    what: 'an event is taken out of the log',
    by: [lines(`replace(LINES, ${line(3)}, '')`)],
    kind: 'omission',
    packetNo: 1,
    says: /event [0-9a-f]{64} is missing from its lines in the log/,
    seq: 2,
  },
  {
    what: 'a packet is taken out',
    by: [
      `delete from seal_marks where ${ofPacket}`,
      `delete from packet_standings where ${ofPacket}`,
      `delete from packets where ${ofPacket}`,
    ],
    kind: 'omission',
    packetNo: 2,
    says: /packet 1 before it is missing/,
  },
  {
    what: 'the last packet is taken out',
    by: [`delete from packets where packet_no = ${2}`],
    kind: 'omission',
    packetNo: 2,
    says: /it has a seal mark, and is not there any more/,
  },
  {
    what: 'two events change places',
    by: [
      lines(
        `replace(replace(replace(LINES, ${line(2)}, E'\\x01'), ${line(5)}, ${line(2)}), E'\\x01', ${line(5)})`,
      ),
    ],
    kind: 'reorder',
    packetNo: 1,
    says: /its lines in the log have event [0-9a-f]{64} here, and [0-9a-f]{64} was sealed here/,
    seq: 1,
  },
  {
    what: 'an event is edited',
    by: [lines(`regexp_replace(LINES, '"celsius":23', '"celsius":32')`)],
    kind: 'edit',
    packetNo: 1,
    says: /its lines in the log say of event [0-9a-f]{64} something else than was sealed/,
    seq: 3,
  },
  {
    what: 'a header is edited',
    by: [
      `update packets set header = replace(header, '"authenticated":"none"', '"authenticated":"identity"') where ${ofPacket}`,
    ],
    kind: 'forged-header',
    packetNo: 1,
    says: /its header has the id [0-9a-f]{64}, and it stands as [0-9a-f]{64}/,
  },
  {
    what: 'a header is forged with its id',
    by: [
      `update packets set header = replace(header, '"authenticated":"none"', '"authenticated":"identity"') where ${ofPacket}`,
      `update packets set packet_id = sha256('\\x0e' || convert_to('assay:packet:1', 'UTF8') || int4send(octet_length(header)) || convert_to(header, 'UTF8')) where ${ofPacket}`,
    ],
    kind: 'forged-header',
    packetNo: 2,
    says: /its previous is not the id of the packet before/,
  },
  {
    what: 'a manifest is edited',
    by: [
      `update dlm_versions set manifest = replace(manifest, '"late":0', '"late":1')
        where packet_id = (select packet_id from packets where ${ofPacket})`,
    ],
    kind: 'forged-certificate',
    packetNo: 1,
    says: /the manifest is not the one that was certified/,
  },
  {
    what: 'the certificate of another packet is shown',
    by: [
      `update certificates set txid = (select txid from certificates where packet_id = (select packet_id from packets where packet_no = 2)), index = 1
        where packet_id = (select packet_id from packets where ${ofPacket})`,
    ],
    kind: 'forged-certificate',
    packetNo: 1,
    says: /the path of the packet does not fit its place in the round/,
  },
  {
    what: 'the transaction of a certificate is changed',
    by: [
      `update fuel_transactions set raw = set_byte(raw, 200, get_byte(raw, 200) # 1)
        where txid = (select txid from certificates where packet_id = (select packet_id from packets where ${ofPacket}))`,
    ],
    kind: 'forged-certificate',
    packetNo: 1,
    says: /what is stored as certificate [0-9a-f]{64} is another transaction/,
  },
  {
    what: 'a certificate is taken out',
    by: [`delete from certificates where packet_id = (select packet_id from packets where ${ofPacket})`],
    kind: 'missing-certificate',
    packetNo: 1,
    says: /there is no certificate of it/,
  },
  {
    what: 'a block is changed',
    by: [
      `update chain_blocks set header = set_byte(header, 40, get_byte(header, 40) # 1) where best and height =
        (select block_height from certificates where packet_id = (select packet_id from packets where ${ofPacket}))`,
    ],
    kind: 'forged-block',
    packetNo: null,
    says: /the header at height \d+ (does not follow the one before it|lacks the work)/,
  },
  {
    what: 'the ledger counts one duplicate too many',
    by: [
      'update partition_heads set duplicate = duplicate + 1, received = received + 1 where next_packet > 0',
    ],
    kind: 'wrong-count',
    packetNo: null,
    says: /the ledger counts \d+ received, and the last seal mark and the appends after it make \d+/,
  },
  {
    what: 'the head of a partition is taken out',
    by: ['delete from partition_heads'],
    kind: 'wrong-count',
    packetNo: null,
    says: /the ledger counts 0 received, and the last seal mark and the appends after it make \d+/,
  },
  {
    what: 'an append counts one less',
    by: [
      `update segments set duplicate = duplicate - 1, received = received - 1
        where (partition_id, first_seq) = (select partition_id, first_seq from packets where packet_no = 1)`,
    ],
    kind: 'wrong-count',
    packetNo: 1,
    says: /the seal mark counts \d+ received, and the appends up to it make \d+/,
  },
  {
    what: 'lines are taken out of the store',
    by: [`delete from uhrp_objects where sha256 = (select raw_hash from packets where ${ofPacket})`],
    kind: 'missing-payload',
    packetNo: 1,
    says: /its lines, [0-9a-f]{64}, are not there/,
  },
  {
    what: 'a certified output is taken out of the store',
    by: [
      `delete from uhrp_objects where sha256 = (select content_hash from dlm_versions
        where packet_id = (select packet_id from packets where ${ofPacket}))`,
    ],
    kind: 'missing-payload',
    packetNo: 1,
    says: /its certified output, [0-9a-f]{64}, is not there/,
  },
]

describe('assay verify --all', () => {
  test('finds nothing wrong in a sound log, and says what it holds', async () => {
    const state = await audited(log.source)
    expect(state.findings).toEqual([])
    expect(state.open).toEqual([])
    expect(state).toMatchObject({ isWhole: true, level: 'consistent' })
    expect(state.found).toMatchObject({ packets: log.packets, events: log.events, certified: log.events })
  })

  test.each(cases)('finds that $what', async ({ by, kind, packetNo, says, seq }) => {
    const { source } = await log.copy(...by)
    const { findings } = await audited(source)
    const place = { packetNo, seq: seq === undefined ? null : perPacket() + seq }
    expect(findings).toContainEqual(
      expect.objectContaining({ kind, detail: expect.stringMatching(says), ...place }),
    )
    // One deed is not told of at every place behind it.
    expect(findings.length).toBeLessThanOrEqual(3)
  })
})

describe('assay export', () => {
  const digestOf = (said: string) => /^([0-9a-f]{64}) {2}/m.exec(said)?.[1]
  const exportHere = async (file: string) => {
    const { code, said } = await log.run(['export', '--out', file, '--progress'])
    return { code, digest: digestOf(said), said }
  }
  let whole: string
  let digest: string | undefined
  beforeAll(async () => {
    whole = path.join(folder, 'whole.export')
    const first = await exportHere(whole)
    expect([first.code, first.digest], first.said).toEqual([0, expect.any(String)])
    digest = first.digest
  }, 60_000)
  /** The same file, cut off after so many of its bytes. */
  const cutOff = async (name: string, share: number, torn = new Uint8Array()) => {
    const bytes = await readFile(whole)
    const file = path.join(folder, name)
    await writeFile(file, bytes.subarray(0, Math.floor(bytes.length * share)))
    await appendFile(file, torn)
    return file
  }

  test.each([0, 0.1, 0.5, 0.9])(
    'goes on where it was cut off, after %s of it, and ends as if it never was',
    async share => {
      const file = await cutOff(`cut-${share}`, share)
      const writer = orThrow(await openRecordWriter(file))
      for await (const record of exportRecords(log.source, null, writer.cursor())) await writer.write(record)
      expect(Buffer.from(await writer.finish()).toString('hex')).toBe(digest)
      await writer.close()
      expect(await readFile(file)).toEqual(await readFile(whole))
    },
  )

  test('goes on alike behind many packets of a partition', async () => {
    const { source } = await log.copy(
      `insert into seal_marks select partition_id, n, up_to_seq, up_to_append, watermark_ms, policy_digest,
          roster_digest, received, duplicate, rejected, quarantined, waived, because, marked_ms
        from seal_marks, generate_series(3, 70) as n where packet_no = 2`,
    )
    const records: ExportRecord[] = []
    for await (const record of exportRecords(source, null)) records.push(record)
    const cut = records.findIndex(record => record.kind === 'packet' && record.packetNo === 66)
    const cursor = records.slice(0, cut).reduce(advance, atBeginning)
    const rest: ExportRecord[] = []
    for await (const record of exportRecords(source, null, cursor)) rest.push(record)
    expect(records.filter(({ kind }) => kind === 'policy')).toHaveLength(2)
    expect(rest).toEqual(records.slice(cut))

    // What was still to be made may be by the time that a file is gone on with.
    const file = path.join(folder, 'still-to-be-made')
    const writer = orThrow(await openRecordWriter(file))
    for (const record of records.slice(0, cut)) await writer.write(record)
    await writer.close()
    const later = orThrow(await openRecordWriter(file))
    expect(later.cursor().packetNo).toBe(log.packets)
    await later.close()
  })

  test('says that a file is whole, and leaves alone what is no export', async () => {
    expect(await exportHere(whole)).toMatchObject({ code: 0, digest })
    const other = path.join(folder, 'other')
    await writeFile(other, 'somebody’s own')
    expect(await run(exportLog, '--out', other)).toMatchObject({
      code: 1,
      said: expect.stringMatching(/is not an export; name another file/),
    })
    expect(await readFile(other, 'utf8')).toBe('somebody’s own')
  })

  test('makes a file that verify --all reads, to the level of the lists', async () => {
    const open = await run(verify, '--all', whole)
    expect(open.said).toMatch(
      /^CONSISTENT \(on a private chain\): 1 partition, 3 packets, \d+ events; nothing is wrong/,
    )
    expect(open.code).toBe(3)
    const lists = await listsOf(log)
    expect(await run(verify, '--all', whole, ...lists)).toMatchObject({
      code: 0,
      said: expect.stringMatching(/^SIGNED/),
    })
    const told = await run(verify, '--all', whole, ...lists, '--json')
    expect(JSON.parse(told.said)).toMatchObject({
      kind: 'valid',
      isWhole: true,
      level: 'signed',
      exitCode: 0,
    })
  })

  test('is not read further where a byte of it is another one', async () => {
    const bytes = await readFile(whole)
    const file = path.join(folder, 'flipped')
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await writeFile(file, bytes)
    expect(await run(verify, '--all', file)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/the file was changed or is damaged/),
    })
  })

  test('lets verify --all go on where it was, once the file is whole', async () => {
    const file = await cutOff('resumed', 0.97)
    const state = path.join(folder, 'state.json')
    const early = await run(verify, '--all', file, '--state', state)
    expect([early.code, early.said]).toEqual([2, expect.stringMatching(/^NOT WHOLE/)])
    const kept = z.looseObject({ audit: z.looseObject({ found: z.looseObject({ packets: z.number() }) }) })
    const { packets } = kept.parse(JSON.parse(await readFile(state, 'utf8'))).audit.found
    expect(packets).toBeGreaterThan(0)
    await exportHere(file)
    const later = await run(verify, '--all', file, '--state', state)
    const atOnce = await run(verify, '--all', whole)
    expect(later).toEqual(atOnce)
    // And once more, of what is done.
    expect(await run(verify, '--all', file, '--state', state)).toEqual(atOnce)
    expect((await run(verify, '--all', path.join(folder, 'not-there'), '--state', state)).code).toBe(2)
    expect(await run(verify, '--all', file, '--state', state, '--allow-local')).toMatchObject({
      code: 2,
      said: expect.stringMatching(/of a look at something else, or by other lists/),
    })
  })
})

describe('a state', () => {
  test.each([
    ['done', 1],
    ['not done', 0.97],
  ])('of a look that is %s is of no other file that begins alike', async (_, share) => {
    const name = `of-${share}`
    const records: ExportRecord[] = []
    for await (const record of exportRecords(log.source, null)) records.push(record)
    const write = async (file: string, change: (record: ExportRecord) => ExportRecord) => {
      const writer = orThrow(await openRecordWriter(file))
      for (const record of records) await writer.write(change(record))
      await writer.finish()
      await writer.close()
      return file
    }
    const sound = await write(path.join(folder, name), record => record)
    const bytes = await readFile(sound)
    await writeFile(sound, bytes.subarray(0, Math.floor(bytes.length * share)))
    const state = path.join(folder, `${name}.state`)
    await run(verify, '--all', sound, '--state', state)
    const other = await write(path.join(folder, `${name}.other`), record =>
      record.kind === 'packet' && record.packetNo === 0 ? { ...record, output: null } : record,
    )
    expect(await run(verify, '--all', other, '--state', state)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/the state is of another export/),
    })
  })
})

describe('a node', () => {
  let url: string
  beforeAll(async () => {
    url = await log.restartNode()
  }, 60_000)

  test('gives its log to whoever may read it, and the same is found in it', async () => {
    const lists = await listsOf(log)
    const { code, said } = await run(verify, '--all', '--node', url, ...lists)
    expect([code, said]).toEqual([0, expect.stringMatching(/^SIGNED .* 3 packets, .*nothing is wrong/)])
    const file = path.join(folder, 'from-node')
    expect(await run(exportLog, '--out', file, '--node', url)).toMatchObject({ code: 0 })
    expect(await run(verify, '--all', file, ...lists)).toMatchObject({ code: 0 })
  })

  test('prints what docs/verify.md shows', async () => {
    const page = readFileSync(new URL('../../docs/verify.md', import.meta.url), 'utf8')
    const shown = shownCommands(page).filter(({ args }) => args[0] === 'export' || args.includes('--all'))
    expect(shown).toHaveLength(3)
    const [, key = '', , operators = ''] = await listsOf(log)
    const file = path.join(folder, 'log.export')
    const here: Readonly<Record<string, string>> = {
      'operators.txt': operators,
      'log.export': file,
      'http://localhost:8080': url,
    }
    for (const { args, shown: text } of shown) {
      // The page names the log of the vectors.
      const real = args.slice(1).map(arg => here[arg] ?? (/^0[23][0-9a-f]{64}$/.test(arg) ? key : arg))
      // The export of a page is made on the node's own machine.
      const { said } =
        args[0] === 'export' ? await run(exportLog, ...real, '--node', url) : await run(verify, ...real)
      expect(`${said.replaceAll(file, 'log.export')}\n`).toMatch(asShown(text))
    }
  })

  test('answers as docs/openapi.yaml says, and in pieces', async () => {
    const client = new HttpClient(Number(new URL(url).port))
    const operations = readApiDocument().operations.filter(({ tag }) => tag === 'export')
    const seen = new Set<string>()
    const ask = async (asked: string) => {
      const answer = await client.send({ method: 'GET', path: asked, headers: {} })
      const operation = operations.find(each => each.path === asked.replace(/\?.*/, ''))
      if (operation === undefined) throw new Error(`${asked} is not documented`)
      expect(undocumented(operation, answer)).toEqual([])
      seen.add(`${operation.path} ${answer.status}`)
      return answer
    }
    const packets = (from: number, more = '') =>
      ask(`/export/packets?stream=${bedSource}&partition=0&from=${from}&to=3${more}`)
    expect((await ask('/export')).status).toBe(200)
    expect((await ask(`/export?stream=${bedSource}`)).status).toBe(200)
    expect((await ask('/export?stream=')).status).toBe(400)
    expect((await ask('/export?stream=nobodys')).status).toBe(404)
    expect((await ask('/export/headers?from=0&count=2')).body.length).toBe(160)
    expect((await ask('/export/headers?from=0&count=2001')).status).toBe(400)
    expect((await packets(0, '&x=1')).status).toBe(400)
    const kinds = orThrow(readRecords((await packets(1)).body)).map(({ kind }) => kind)
    expect(kinds).toEqual(['policy', 'certificate', 'packet', 'certificate', 'packet'])
    expect((await packets(3)).body.length).toBe(0)

    await log.pool.query('update streams set published = false')
    expect((await packets(0)).status).toBe(404)
    expect(orThrow(readRecords((await ask('/export')).body))).toMatchObject([{ partitions: [] }])
    client.close()
    expect(seen.size).toBe(8)
  })

  test('is looked at anew where a state is of a whole look', async () => {
    const state = path.join(folder, 'node.state')
    await run(verify, '--all', '--node', url, '--state', state)
    await log.pool.query('update streams set published = true')
    expect(await run(verify, '--all', '--node', url, '--state', state)).toMatchObject({
      said: expect.stringMatching(/^CONSISTENT .*: 1 partition, 3 packets/),
    })
  })

  test('says nothing of a stream that is not there', async () => {
    expect(await run(verify, '--all', '--node', url, '--stream', 'nobodys')).toMatchObject({
      code: 2,
      said: expect.stringMatching(/404: there is no stream of this name that you may read/),
    })
  })
})

async function listsOf({ pool }: SoundLog): Promise<string[]> {
  const { rows } = await pool.query<{ log: string }>(
    `select encode(log, 'hex') as log from partitions limit 1`,
  )
  const file = path.join(folder, 'operators.txt')
  await writeFile(file, operatorNames.map(name => `${operatorOf(name).identityKey}\n`).join(''))
  return ['--log', rows[0]?.log ?? '', '--operators', file]
}
