import { digestHex } from '../core/digest.ts'
import type { Outpoint } from '../core/rounds/pipeline.ts'
import { isTemplate, stagesOf } from '../core/rounds/template.ts'
import { outpointBytes } from './transaction.ts'

/**
 * What a job says of its own inputs. The issuer's signature covers a token and not the transaction around it, so without
 * this anybody could put the tokens of a job that begins a round into a transaction of their own. A later job spends the
 * thread, which nobody else can, and says nothing.
 */
export function fuelHashOf(
  job: { readonly template: string; readonly stage: string },
  inputs: readonly Outpoint[],
): string | undefined {
  return beginsRound(job) ? digestHex('assay:fuel:1', ...inputs.map(outpointBytes)) : undefined
}

export function beginsRound({ template, stage }: { readonly template: string; readonly stage: string }) {
  return isTemplate(template) && stagesOf(template)[0] === stage
}
