import { buffer } from 'node:stream/consumers'
import type { Pool } from 'pg'
import { sha256Hex } from '#sha256'
import type { OutsidePacket, OutsideStore } from '../../certify/outside/ports.ts'
import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { readPacketHeader } from '../../core/log/packet-header.ts'
import { readPartIn } from '../certificates/keep-output.ts'
import { keptText } from '../postgres/kept-text.ts'
import { bytea, byteas } from '../postgres/sql.ts'
import { isClosedSql } from '../reading/readable.ts'
import type { ContentStore } from '../uhrp/content-store.ts'

export type OutsideStoreDeps = {
  readonly pool: Pool
  readonly content: Pick<ContentStore, 'open'>
  /** Of the certifier, as it is shown to people. */
  readonly name: string
  /** Whoever takes a packet has it for so long. */
  readonly leaseMs: number
  now(): number
}

export function openOutsideStore({ pool, content, name, leaseMs, now }: OutsideStoreDeps): OutsideStore {
  return {
    async take(limit) {
      // Its stream may have been given to a tenant since it was noted.
      await pool.query({
        name: 'outside-closed',
        text: `delete from external_packets as noted using packets as packet
          where noted.next_run_ms <= $1::bigint and packet.packet_id = noted.packet_id and ${isClosedSql('packet.partition_id')}`,
        values: [now()],
      })
      const { rows } = await pool.query<TakenRow>({
        name: 'outside-take',
        text: `with due as (
            select packet_id from external_packets where next_run_ms <= $1::bigint
              order by next_run_ms, packet_id limit $2 for update skip locked
          ), taken as (
            update external_packets as packet set next_run_ms = $1::bigint + $3, attempts = attempts + 1
              from due where packet.packet_id = due.packet_id
              returning packet.packet_id, packet.output, packet.attempts
          )
          select encode(packet_id, 'hex') as "packetId", encode(output, 'hex') as output, attempts, header
            from taken join packets using (packet_id)`,
        values: [now(), limit, leaseMs],
      })
      return rows.map(row => ({
        packetId: row.packetId,
        header: orThrow(readPacketHeader(orThrow(parseJson(row.header)))),
        attempts: row.attempts,
        read: () => (row.output === null ? readAgreed(row.packetId) : readLocal(row.output)),
      }))
    },
    async due({ packetId }, eventIds) {
      const { rows } = await pool.query<{ eventId: string; attempts: number }>({
        name: 'outside-due',
        text: `with fresh as (
            insert into external_verdicts (packet_id, event_id, url, next_run_ms)
              select $1, event_id, $2, $4 from unnest($3::bytea[]) as given (event_id)
              on conflict do nothing returning event_id, attempts
          )
          select encode(event_id, 'hex') as "eventId", attempts from fresh
          union all
          select encode(event_id, 'hex'), attempts from external_verdicts
            where url = $2 and event_id = any ($3::bytea[]) and state = 'due' and next_run_ms <= $4`,
        values: [bytea(packetId), name, byteas(eventIds), now()],
      })
      return rows
    },
    async answered({ eventId }, { status, versionId, response }) {
      await pool.query({
        name: 'outside-answered',
        text: `update external_verdicts set state = 'answered', attempts = attempts + 1, http_status = $3, version_id = $4,
            is_known_version = exists (select from dlm_versions where dlm_versions.version_id = $7::bytea),
            response = $5::jsonb, last_error = null, answered_ms = $6
          where event_id = $1 and url = $2`,
        values: [
          ...[bytea(eventId), name, status, versionId, JSON.stringify(response), now()],
          versionForm.test(versionId) ? bytea(versionId) : null,
        ],
      })
    },
    async failed({ eventId }, { why, status }, againMs) {
      await pool.query({
        name: 'outside-failed',
        text: `update external_verdicts set attempts = attempts + 1, http_status = $3, last_error = $4,
            state = case when $5::bigint is null then 'dead' else 'due' end, next_run_ms = coalesce($5::bigint, next_run_ms)
          where event_id = $1 and url = $2 and state = 'due'`,
        values: [bytea(eventId), name, status, keptText(why), againMs ?? null],
      })
    },
    async keep({ packetId, attempts }) {
      const { rowCount } = await pool.query({
        name: 'outside-keep',
        text: 'update external_packets set next_run_ms = $3 where packet_id = $1 and attempts = $2',
        values: [bytea(packetId), attempts, now() + leaseMs],
      })
      return rowCount === 1
    },
    async letGo({ packetId, attempts }, how) {
      if (how === 'interrupted') return later({ packetId, attempts }, now())
      await pool.query({
        name: 'outside-let-go',
        text: `with next as (
            select min(next_run_ms) as ms from external_verdicts where packet_id = $1 and url = $3 and state = 'due'
          ), later as (
            update external_packets set next_run_ms = next.ms from next
              where packet_id = $1 and attempts = $2 and next.ms is not null
          )
          delete from external_packets using next where packet_id = $1 and attempts = $2 and next.ms is null`,
        values: [bytea(packetId), attempts, name],
      })
    },
    async unreadable(packet, againMs) {
      if (againMs !== undefined) return later(packet, againMs)
      const { packetId, attempts } = packet
      await pool.query({
        name: 'outside-give-up',
        text: `with given_up as (
            delete from external_packets where packet_id = $1 and attempts = $2 returning packet_id
          )
          update external_verdicts as verdict set state = 'dead', last_error = 'what was to be asked is not stored any more'
            from given_up where verdict.packet_id = given_up.packet_id and url = $3 and state = 'due'`,
        values: [bytea(packetId), attempts, name],
      })
    },
  }

  async function later({ packetId, attempts }: Pick<OutsidePacket, 'packetId' | 'attempts'>, ms: number) {
    await pool.query({
      name: 'outside-later',
      text: 'update external_packets set next_run_ms = $3 where packet_id = $1 and attempts = $2',
      values: [bytea(packetId), attempts, ms],
    })
  }

  /** As whichever agent has it stored. */
  async function readAgreed(packetId: string): Promise<Uint8Array> {
    const { rows } = await pool.query<AgreedRow>({
      name: 'outside-agreed',
      text: `select encode(work_object, 'hex') as object, encode(output_hash, 'hex') as "outputHash",
          output_at as at, output_bytes as bytes
        from outcomes join round_results as result on result.txid = outcomes.result_tx
        where packet_id = $1 and stage = 'validate' and is_agreed and result.work = 'held'
        order by result.arrived_ms desc`,
      values: [bytea(packetId)],
    })
    const readPart = readPartIn(content)
    for (const { object, outputHash, at, bytes } of rows) {
      const output = await readPart(object, at, bytes)
      if (output !== undefined && sha256Hex(output) === outputHash) return output
    }
    throw new Error(
      `the validated output of packet ${packetId} is not stored any more (${rows.length} agents had it)`,
    )
  }

  async function readLocal(sha256: string): Promise<Uint8Array> {
    const opened = await content.open(sha256, 'node')
    if (opened.kind !== 'open')
      throw new Error(`the validated output ${sha256} of this node is not stored any more`)
    return buffer(opened.object.file.createReadStream())
  }
}

const versionForm = /^[0-9a-f]{64}$/

type TakenRow = Pick<OutsidePacket, 'packetId' | 'attempts'> & {
  readonly output: string | null
  readonly header: string
}

type AgreedRow = {
  readonly object: string
  readonly outputHash: string
  readonly at: number
  readonly bytes: number
}
