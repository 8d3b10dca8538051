import type { Bump } from '../../contract/bump.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import type { Chain } from '../chain/chain.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { takeProof } from './proofs.ts'
import { NETWORK } from './targets.ts'
import { tellNetwork } from './tell-again.ts'

/** What a transaction processor reports by itself. It may be late, lost, or come twice. */
export type Report =
  | { readonly what: 'proven'; readonly proof: Bump }
  /** In a block, or no longer in the one it was in: the network has to be asked. */
  | { readonly what: 'moved' }
  | { readonly what: 'refused' }
  /** How far it has come on its way to a block. */
  | { readonly what: 'under-way' }

export type HearDeps = {
  readonly db: Queryable
  readonly chain: Pick<Chain, 'rootAt' | 'statusOf'>
  now(): number
  wakeOutbox(): void
}

export type Heard =
  | 'unknown-transaction'
  | 'new'
  | 'known'
  /** The network is asked, and its answer counts. */
  | 'asked'
  | 'noted'

/**
 * A report says where to look. It takes nothing out and no proof back: whoever knows the token could, and the
 * network's own word comes with the next question anyway.
 */
export async function hearOf(txid: string, report: Report, deps: HearDeps): Promise<Outcome<Heard>> {
  if (report.what === 'proven') return takeProof(txid, report.proof, deps)
  const stored = await readStanding(txid, deps.db)
  if (stored === undefined) return accepted('unknown-transaction')
  if (report.what === 'moved') return accepted(await lookAgain(txid, stored, deps))
  // What a block proves is in a block, whatever a report from before says.
  if (stored.proof !== undefined) return accepted('noted')
  const told = report.what === 'refused' ? await tellNetwork([txid], deps) : await hurryNetwork(txid, deps)
  if (told === 0) return accepted('noted')
  deps.wakeOutbox()
  return accepted('asked')
}

type Standing = { readonly proof: { readonly height: number; readonly root: string } | undefined }

async function readStanding(txid: string, db: Queryable): Promise<Standing | undefined> {
  const { rows } = await db.query<{ height: number | null; root: string | null }>({
    name: 'standing',
    text: `select proof_height as height, encode(proof_root, 'hex') as root from transactions where txid = $1`,
    values: [bytea(txid)],
  })
  const [row] = rows
  if (row === undefined) return undefined
  const { height, root } = row
  return { proof: height === null || root === null ? undefined : { height, root } }
}

/** Takes the proof back if its block is no longer on the best chain, and asks for one that holds. */
async function lookAgain(txid: string, { proof }: Standing, deps: HearDeps): Promise<Heard> {
  if (proof !== undefined) {
    if ((await deps.chain.rootAt(proof.height)) === proof.root) return 'known'
    await deps.db.query({
      text: `update transactions set proof = null, proof_height = null, proof_root = null
        where txid = $1 and proof_root = $2`,
      values: [bytea(txid), bytea(proof.root)],
    })
  }
  const status = (await deps.chain.statusOf([txid])).get(txid)
  if (status?.kind !== 'mined') return 'asked'
  const taken = await takeProof(txid, status.proof, deps)
  return taken.ok ? taken.value : 'asked'
}

/** Only what still has to be told: the rest has been seen, and waits for its block. */
async function hurryNetwork(txid: string, { db, now }: HearDeps): Promise<number> {
  const { rowCount } = await db.query({
    text: `update outbox set due_ms = least(due_ms, $2::bigint) where txid = $1 and target = $3`,
    values: [bytea(txid), now(), NETWORK],
  })
  return rowCount ?? 0
}
