import * as z from 'zod'
import { fromUtf8 } from '../core/bytes.ts'

/** What a host answers to a submission (BRC-22): by topic, the outputs that it has admitted and the coins that it keeps. */
type Steak = z.output<typeof form>

/** An honest one admits a transaction's outputs, and retains or removes what it spends. */
const STEAK_OUTPUTS_MAX = 1_000
const outputs = z.array(z.int()).max(STEAK_OUTPUTS_MAX)
const form = z.record(
  z.string(),
  z.object({ outputsToAdmit: outputs, coinsToRetain: outputs.optional(), coinsRemoved: outputs.optional() }),
)

/** Undefined where it is none: whoever has answered so has said nothing. */
export function readSteak(body: Uint8Array): Steak | undefined {
  return form.safeParse(parsed(body)).data
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body) ?? '')
  } catch {
    // Not JSON, which no form fits.
    return undefined
  }
}
