import { afterEach, describe, expect, test } from 'vitest'
import { noteDoubleSpends } from '../../../src/adapters/rounds/double-spent-seats.ts'
import { unpaidCertificate } from '../../../src/certify/unpaid-certificate.ts'
import { signTransaction } from '../../../src/contract/spend.ts'
import { readToken } from '../../../src/contract/tokens.ts'
import type { Transaction } from '../../../src/contract/transaction.ts'
import { fromUtf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import type { DecidedRound } from '../../support/decided-round.ts'
import { party, payTo, tokenSpend } from '../../support/pipeline.ts'
import { until } from '../../support/until.ts'
import { type CertificatesBed, certificatesBed } from './certificates-bed.ts'

const beds: CertificatesBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) await each.close()
})
async function withBed(): Promise<CertificatesBed> {
  const bed = await certificatesBed()
  beds.push(bed)
  await bed.fill()
  return bed
}

const stateOf = async ({ rows }: CertificatesBed, roundId: string) =>
  (await rows(`select state from rounds where round_id = decode($1, 'hex')`, roundId))[0]?.['state']
const statesIn = async ({ rows }: CertificatesBed, table: string) =>
  (await rows(`select distinct state from ${table} order by state`)).map(({ state }) => state)
const certified = (bed: CertificatesBed, { roundId }: DecidedRound) =>
  until(async () => (await stateOf(bed, roundId)) === 'over')
const mineUntil = (bed: CertificatesBed, look: () => Promise<boolean>) =>
  until(async () => {
    await bed.bed.chain.mine()
    return look()
  })

/** A round whose certificate a block has, as its packets show. */
async function proven() {
  const bed = await withBed()
  const decided = await bed.decide()
  const certifying = bed.start()
  await certified(bed, decided)
  await mineUntil(bed, async () => (await statesIn(bed, 'packet_states')).join() === 'proven')
  return { bed, certifying }
}

/** Blocks from the tip to the one that has the certificate. */
async function depthOf({ bed, rows }: CertificatesBed): Promise<number> {
  const [row] = await rows('select block_height from certificates')
  const { height } = await bed.chain.tip()
  return height - Number(row?.['block_height']) + 1
}

/** Takes back what its agent has said at the last stage: spends the same seat for something else. */
function takenBack({ round, jobTx }: DecidedRound): { rival: Transaction; agent: string } {
  const job = round.transactions.find(({ txid }) => txid === jobTx)
  const agent = party('agent certify 0')
  if (job === undefined) throw new Error('the round has no certify job')
  const subject = job && tokenSubject(round, jobTx)
  const rival = signTransaction([tokenSpend(job, 0, 'GDJ1', subject, agent)], [payTo(agent, 50)])
  return { rival, agent: agent.identityKey }
}

function tokenSubject({ transactions }: DecidedRound['round'], jobTx: string): string {
  const script = transactions.find(({ txid }) => txid === jobTx)?.outputs[0]?.script ?? new Uint8Array()
  return orThrow(readToken(script)).subject
}

describe('a certificate in a block', () => {
  test('moves with it to another one when the chain is reorganised', async () => {
    const { bed } = await proven()
    const [before] = await bed.rows('select txid, block_hash from certificates')
    expect(await bed.bed.chain.reorganise({ depth: await depthOf(bed) })).toMatchObject({
      kind: 'reorganised',
    })
    const after = await until(async () => {
      const [row] = await bed.rows('select txid, block_hash, state from certificates')
      return row?.['block_hash'] !== null && row?.['block_hash'] !== before?.['block_hash'] && row
    })
    expect(after).toMatchObject({ txid: before?.['txid'], state: 'proven' })
    expect(await statesIn(bed, 'packet_states')).toEqual(['proven'])
  })

  test('is proven by none as long as its proof leads to a block of before', async () => {
    const { bed } = await proven()
    await bed.fuel.stop()
    expect(await bed.bed.chain.reorganise({ depth: await depthOf(bed) })).toMatchObject({
      kind: 'reorganised',
    })
    await until(async () => (await statesIn(bed, 'certificates')).join() === 'anchored')
    expect(await bed.rows('select distinct block_height, block_hash from certificates')).toEqual([
      { block_height: null, block_hash: null },
    ])
    expect(await statesIn(bed, 'packet_states')).toEqual(['anchored'])
    await bed.open().catchUp()
    await until(async () => (await statesIn(bed, 'packet_states')).join() === 'proven')
    const named = await bed.rows('select distinct txid, block_hash from certificates order by txid')
    expect(
      await bed.rows(`select txid, block_hash from chain_transactions
        where txid in (select txid from certificates) order by txid`),
    ).toEqual(named)
  })

  test('moves with it also where nobody was here when the chain was reorganised', async () => {
    const { bed, certifying } = await proven()
    await certifying.stop()
    const [before] = await bed.rows('select txid from certificates')
    await bed.bed.chain.reorganise({ depth: await depthOf(bed) })
    // Fuel has its new proof before anybody looks at what it is of.
    const inStep = `select from certificates join fuel_transactions as fuel using (txid)
      join chain_transactions as mined using (txid) join chain_blocks as block on block.hash = mined.block_hash
      where fuel.proof_height = block.height and fuel.proof is not null and certificates.block_hash <> block.hash`
    await until(async () => (await bed.rows(inStep)).length > 0)
    expect(await bed.rows('select from certificates')).toHaveLength(2)
    // Once for all of its packets: who hears of it brings all of them into step.
    const heard = await bed.store().heard([])
    expect(heard.map(({ txid, news }) => [txid, news])).toEqual([[before?.['txid'], 'moved']])
    bed.start()
    const moved = `select from certificates join chain_transactions using (txid)
      where certificates.block_hash is distinct from chain_transactions.block_hash`
    await until(async () => (await bed.rows(moved)).length === 0)
    expect(await statesIn(bed, 'certificates')).toEqual(['proven'])
  })

  test('moves with its proof where nobody keeps the blocks, also with one that came while nobody was here', async () => {
    const { bed, certifying } = await proven()
    await certifying.stop()
    await bed.fuel.stop()
    const [row] = await bed.rows('update certificates set block_hash = null returning block_height')
    const height = Number(row?.['block_height']) - 1
    await bed.rows(
      `update fuel_transactions set proof_height = $1, proof_root = decode($2, 'hex') where proof is not null`,
      height,
      await bed.bed.chain.rootAt(height),
    )
    bed.start()
    const elsewhere = `select from certificates where block_height <> ${height}`
    await until(async () => (await bed.rows(elsewhere)).length === 0)
    expect(await statesIn(bed, 'certificates')).toEqual(['proven'])
  })

  test('is proven by none where its proof leads above the tip', async () => {
    const { bed, certifying } = await proven()
    await certifying.stop()
    await bed.fuel.stop()
    // A heavier chain may be a shorter one.
    await bed.rows(
      'update chain_blocks set best = false where height >= (select max(block_height) from certificates)',
    )
    bed.start()
    await until(async () => (await statesIn(bed, 'certificates')).join() === 'anchored')
  })

  test('is anchored while none has it, and proven by the next', async () => {
    const { bed } = await proven()
    await bed.fuel.stop()
    // What the sender writes where a block is lost and nobody has mined the next.
    await bed.rows(`update fuel_transactions set state = 'seen', proof = null, proof_height = null, proof_root = null
      where stage = 'certificate'`)
    await until(async () => (await statesIn(bed, 'certificates')).join() === 'anchored')
    expect(await statesIn(bed, 'packet_states')).toEqual(['anchored'])
    await bed.open().catchUp()
    await until(async () => (await statesIn(bed, 'packet_states')).join() === 'proven')
    expect(await statesIn(bed, 'certificates')).toEqual(['proven'])
  })
})

describe('a certificate that the network refuses', () => {
  test('leaves its packets uncertified, and the round to whoever coordinates', async () => {
    const bed = await withBed()
    const decided = await bed.decide()
    const { rival } = takenBack(decided)
    const { transactions } = decided.round
    const jobAt = transactions.findIndex(({ txid }) => txid === decided.jobTx)
    for (const transaction of [...transactions.slice(1, jobAt + 1), rival])
      expect(await bed.bed.chain.broadcast([transaction])).toEqual({ kind: 'accepted' })
    bed.start()
    await until(async () => (await stateOf(bed, decided.roundId)) === 'lost')
    expect(await statesIn(bed, 'certificates')).toEqual(['dead'])
    expect(await statesIn(bed, 'packet_states')).toEqual([])
    expect(await bed.rows('select distinct status, certificate from packet_standings')).toEqual([
      { status: 'open', certificate: null },
    ])
    expect(bed.reports.map(({ what }) => what)).toEqual(['onLost'])
  })
})

describe('a certificate whose answer is taken back', () => {
  test('leaves its packets certified without an anchor, and names the agent', async () => {
    const bed = await withBed()
    await bed.bed.overlay.start()
    const decided = await bed.decide()
    bed.start()
    await certified(bed, decided)
    const { rival, agent } = takenBack(decided)
    await mineUntil(bed, async () => (await statesIn(bed, 'certificates')).includes('proven'))
    const depth = await depthOf(bed)
    expect(await bed.bed.chain.reorganise({ depth, replaceWith: [rival] })).toMatchObject({
      kind: 'reorganised',
    })
    await mineUntil(bed, async () => (await stateOf(bed, decided.roundId)) === 'lost')
    expect(await statesIn(bed, 'certificates')).toEqual(['dead'])
    expect(await statesIn(bed, 'packet_states')).toEqual(['certified'])
    const [evidence] = await until(async () => {
      await noteDoubleSpends(bed.bed.database.pool, 0, Date.now())
      const rows = await bed.rows(`select agent_key, kind from evidence where kind = 'double-spend'`)
      return rows.length > 0 && rows
    })
    expect(evidence).toEqual({ agent_key: agent, kind: 'double-spend' })
  })
})

describe('a certificate that comes back while its packets are being rebuilt', () => {
  test('is handed to its round once more when the next one is anchored, to be revoked', async () => {
    const bed = await withBed()
    await bed.decide()
    await bed.rows(`insert into rounds select (earlier.row).* from (
      select jsonb_populate_record(round, jsonb_build_object('state', 'over', 'last_tx', null, 'job_tx', null,
          'first_job', null, 'round_id', '\\x' || encode(sha256('earlier'), 'hex'))) as row
        from rounds as round) as earlier`)
    await bed.rows(`insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
      values (sha256('version'), 'declared', '{}', '', sha256(''), '', 0)`)
    // Its round was looked at when it came back, and could do nothing.
    await bed.rows(`insert into certificates (txid, vout, round_id, index, template, level, packet_id, version_id, state,
          written_ms, dead_ms, dead_why)
        select (select txid from fuel_transactions where state = 'mined' limit 1), 2 * index + 1, sha256('earlier'), index,
            'packet', 'enhanced', packet_id, sha256('version'), 'dead', ${Date.now()}, 0, 'came back'
          from round_members`)
    const isLost = async () =>
      (await bed.rows(`select from rounds where round_id = sha256('earlier') and state = 'lost'`)).length ===
      1
    expect(await bed.store().heard([])).toEqual([])
    bed.start()
    await until(isLost)
  })
})

describe('two processes that take one round', () => {
  test('make one certificate: what the first writes after its time is refused', async () => {
    const bed = await withBed()
    await bed.decide()
    const [slow, quick] = [bed.store({ leaseMs: 1 }), bed.store()]
    const [first] = await slow.take(1)
    const [second] = await until(async () => {
      const due = await quick.take(1)
      return due.length > 0 && due
    })
    if (first === undefined || second === undefined) throw new Error('nothing is due')
    const write = (store: typeof slow, due: typeof first) =>
      store.write(due.lease, unpaidCertificate(due, party('log'), Date.now()))
    expect(await write(slow, first)).toEqual({ kind: 'lost' })
    expect((await write(quick, second)).kind).toBe('written')
    expect(await write(quick, second)).toEqual({ kind: 'lost' })
    expect(await quick.take(1)).toEqual([])
    expect(await bed.rows(`select txid from fuel_transactions where stage = 'certificate'`)).toHaveLength(1)
  })
})

describe('the manifests of a round', () => {
  test('travel beside its certificate where it is for everybody', async () => {
    const bed = await withBed()
    await bed.decide()
    const due = await dueOf(bed)
    const lines = due.members.map(({ manifestJson }) => `${manifestJson}\n`).join('')
    expect(fromUtf8(besideIt(due) ?? new Uint8Array())).toBe(lines)
  })

  test('of others travel where one is not for everybody', async () => {
    const bed = await withBed()
    await bed.decide()
    const due = await dueOf(bed)
    const [closed, ...others] = due.members
    if (closed === undefined) throw new Error('a round has members')
    const lines = others.map(({ manifestJson }) => `${manifestJson}\n`).join('')
    expect(lines).not.toBe('')
    const members = [{ ...closed, isOpen: false }, ...others]
    expect(fromUtf8(besideIt({ ...due, members }) ?? new Uint8Array())).toBe(lines)
  })

  test.each([
    `update rounds set audience = 'restricted'`,
    `update streams set tenant_id = 'acme'`,
    'update streams set published = false',
  ])('travel nowhere after: %s', async made => {
    const bed = await withBed()
    await bed.decide()
    await bed.rows(made)
    expect(besideIt(await dueOf(bed))).toBeUndefined()
  })

  test('do not say where the output of a tenant is to anybody, and it is not there for anybody', async () => {
    const bed = await withBed()
    const { round, roundId } = await bed.decide()
    await bed.rows(`update streams set tenant_id = 'acme'`)
    bed.start()
    await until(async () => (await stateOf(bed, roundId)) === 'over')
    for (const { validated } of round.packets) {
      expect((await bed.content.open(validated.outputHash, 'anybody')).kind).toBe('none')
      const opened = await bed.content.open(validated.outputHash, 'node')
      expect(opened.kind).toBe('open')
      if (opened.kind === 'open') await opened.object.file.close()
    }
  })
})

describe('a decided round whose manifest nobody has stored', () => {
  test('is given up loudly', async () => {
    const bed = await withBed()
    const { roundId } = await bed.decide()
    await bed.rows(`update outcomes set output_bytes = output_bytes - 1 where stage = 'certify'`)
    expect(await bed.store().take(8)).toEqual([])
    expect(await stateOf(bed, roundId)).toBe('lost')
    expect(bed.reports.map(({ what }) => what)).toEqual(['onUnreadable'])
  })
})

async function dueOf(bed: CertificatesBed) {
  const [due] = await bed.store().take(1)
  if (due === undefined) throw new Error('nothing is due')
  return due
}

function besideIt(due: Awaited<ReturnType<typeof dueOf>>) {
  return unpaidCertificate(due, party('log'), Date.now()).unpaid.offChainValues
}
