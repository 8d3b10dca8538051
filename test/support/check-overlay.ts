import type { Pool } from 'pg'
import { readBump } from '../../src/contract/bump.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { readTransaction } from '../../src/contract/transaction.ts'
import { orThrow } from '../../src/core/fault.ts'

/**
 * What must be true of the overlay's tables at every moment, whatever has happened. Resolves with every sentence that
 * is not: none, where all is well.
 */
export async function findDisagreements(pool: Pool): Promise<string[]> {
  const wrong: string[] = []
  const rows = async <Row extends object>(sql: string) => (await pool.query<Row>(sql)).rows

  const transactions = await rows<{ txid: string; raw: Buffer; proof: Buffer | null; root: string | null }>(
    `select encode(txid, 'hex') as txid, raw, proof, encode(proof_root, 'hex') as root from transactions`,
  )
  const spends = new Map(
    (
      await rows<{ coin: string; spender: string }>(
        `select encode(txid, 'hex') || '.' || vout as coin, encode(spender, 'hex') as spender from coins
          where spender is not null`,
      )
    ).map(({ coin, spender }) => [coin, spender]),
  )
  let inputs = 0
  for (const { txid, raw, proof, root } of transactions) {
    const transaction = orThrow(readTransaction(raw))
    if (transaction.txid !== txid) wrong.push(`${txid} is stored with the bytes of ${transaction.txid}`)
    for (const input of transaction.inputs) {
      inputs += 1
      if (spends.get(`${input.txid}.${input.vout}`) !== txid)
        wrong.push(`${txid} spends ${input.txid}.${input.vout}, and coins does not say so`)
    }
    if (proof === null) continue
    const bump = orThrow(readBump(proof))
    if (bump.root !== root || !bump.leaves.has(txid)) wrong.push(`${txid} has a proof that is not its own`)
  }
  if (inputs !== spends.size) wrong.push(`${spends.size} spends are recorded, of ${inputs} inputs`)

  for (const [what, sql] of Object.entries(mustBeEmpty))
    for (const row of await rows(sql)) wrong.push(`${what}: ${JSON.stringify(row)}`)
  return wrong
}

const adverts = [baseTopics.ship, baseTopics.slap, baseTopics.uhrp, baseTopics.agents]
  .map(topic => `'${topic}'`)
  .join(', ')

const mustBeEmpty = {
  'an output is held that no answer admitted': `
    select encode(o.txid, 'hex') as txid, o.vout, o.topic from outputs o
      left join applied a on a.txid = o.txid and a.topic = o.topic and o.vout = any (a.admitted)
      where a.txid is null`,
  'an output was admitted, is not held, and nothing has let go of it': `
    select encode(a.txid, 'hex') as txid, each_output.vout, a.topic
      from applied a cross join unnest(a.admitted) as each_output (vout)
      left join outputs o on o.txid = a.txid and o.topic = a.topic and o.vout = each_output.vout
      left join coins s on s.txid = a.txid and s.vout = each_output.vout
      left join applied r on r.txid = s.spender and r.topic = a.topic and cardinality(r.removed) > 0
      where o.txid is null and r.txid is null`,
  'a coin counts other admissions than there are': `
    select encode(c.txid, 'hex') as txid, c.vout, c.admissions, count(a.txid)
      from coins c left join applied a on a.txid = c.txid and c.vout = any (a.admitted)
      group by c.txid, c.vout having c.admissions <> count(a.txid)`,
  'an admitted output is no coin': `
    select encode(o.txid, 'hex') as txid, o.vout from outputs o left join coins c using (txid, vout) where c.txid is null`,
  'an answer says nothing': `
    select encode(txid, 'hex') as txid, topic from applied
      where cardinality(admitted) + cardinality(retained) + cardinality(removed) = 0`,
  'the index of batches lacks an output, or has one too many': `
    select encode(coalesce(o.txid, e.txid), 'hex') as txid, coalesce(o.vout, e.vout) as vout
      from (select * from outputs where topic = '${baseTopics.ingest}') o
      full join gitdata_events e on e.txid = o.txid and e.vout = o.vout
      where o.txid is null or e.txid is null or o.admitted_ms <> e.admitted_ms`,
  'the index of batches is wrong about a spend': `
    select encode(e.txid, 'hex') as txid, e.vout, encode(e.spent_by, 'hex') as says, encode(s.spender, 'hex') as is
      from gitdata_events e
      left join (coins s join applied a on a.txid = s.spender and a.topic = '${baseTopics.ingest}')
        on s.txid = e.txid and s.vout = e.vout
      where e.spent_by is distinct from s.spender`,
  'an index of adverts lacks an output, or has one too many': `
    select encode(coalesce(o.txid, i.txid), 'hex') as txid, coalesce(o.vout, i.vout) as vout,
        coalesce(o.topic, i.topic) as topic
      from (select * from outputs where topic in (${adverts})) o
      full join (
        select txid, vout, admitted_ms, case kind when 'SHIP' then '${baseTopics.ship}' else '${baseTopics.slap}' end
          as topic from host_adverts
        union all select txid, vout, admitted_ms, '${baseTopics.uhrp}' from uhrp_adverts
        union all select txid, vout, admitted_ms, '${baseTopics.agents}' from gitdata_agents
      ) i on i.txid = o.txid and i.vout = o.vout and i.topic = o.topic
      where o.txid is null or i.txid is null or o.admitted_ms <> i.admitted_ms`,
  'a delivery is of nothing that is stored': `
    select encode(o.txid, 'hex') as txid from outbox o left join transactions t on t.txid = o.txid where t.txid is null`,
}
