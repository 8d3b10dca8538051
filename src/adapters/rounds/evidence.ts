import { digestHex } from '../../core/digest.ts'
import { byteas, type Queryable } from '../postgres/sql.ts'

/** What anybody can hold against somebody; the transactions named are its signatures. */
export type Evidence = {
  readonly kind:
    | 'seat-answered-twice'
    | 'double-spend'
    | 'certified-twice'
    | 'late'
    | 'dissent'
    | 'work-void'
    | 'silent'
  /** Beside the kind, what tells this one from all others. */
  readonly about: readonly string[]
  readonly operator?: string | undefined
  readonly agentKey?: string | undefined
  readonly coordinator?: string | undefined
  readonly roundId?: string | undefined
  readonly packetId?: string | undefined
  readonly stage?: string | undefined
  readonly txids: readonly string[]
  readonly detail?: { readonly [name: string]: unknown }
}

/** Each once, whoever sees it how often; resolves with those that nobody had seen. */
export async function writeEvidence(
  db: Queryable,
  found: readonly Evidence[],
  nowMs: number,
): Promise<Evidence[]> {
  if (found.length === 0) return []
  const byDigest = new Map(
    found.map(each => [digestHex('assay:evidence:1', each.kind, ...each.about), each] as const),
  )
  const rows = [...byDigest].sort().map(([digest, each]) => ({
    digest,
    kind: each.kind,
    operator: each.operator,
    agent_key: each.agentKey,
    coordinator: each.coordinator,
    round_id: each.roundId,
    packet_id: each.packetId,
    stage: each.stage,
    txids: `{${byteas(each.txids)
      .map(txid => `"\\${txid}"`)
      .join(',')}}`,
    detail: each.detail ?? {},
  }))
  const { rows: fresh } = await db.query<{ digest: string }>({
    name: 'rounds-evidence',
    text: `insert into evidence (kind, digest, operator, agent_key, coordinator, round_id, packet_id, stage, txids, detail,
          seen_ms)
        select kind, decode(digest, 'hex'), decode(operator, 'hex'), decode(agent_key, 'hex'), decode(coordinator, 'hex'),
            decode(round_id, 'hex'), decode(packet_id, 'hex'), stage, txids::bytea[], detail, $2
          from jsonb_to_recordset($1::jsonb) as given (digest text, kind text, operator text, agent_key text,
            coordinator text, round_id text, packet_id text, stage text, txids text, detail jsonb)
        on conflict (digest) do nothing returning encode(digest, 'hex') as digest`,
    values: [JSON.stringify(rows), nowMs],
  })
  return fresh.flatMap(({ digest }) => byDigest.get(digest) ?? [])
}
