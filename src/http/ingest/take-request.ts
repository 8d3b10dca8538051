import { formatOf } from '../../ingest/formats/body-format.ts'
import type { Problem } from '../problem.ts'
import { ANONYMOUS_SOURCE, admitSource } from './admit-source.ts'
import type { AnswerLines } from './answer-lines.ts'
import { readAsked } from './asked.ts'
import { clientAddress } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import type { TakenRequest, TakeRequestDeps } from './opened-request.ts'
import { ingestionDisabled, refusalProblem } from './refusals.ts'
import { isStreamed, takeStreamed } from './take-streamed.ts'
import { takeWhole } from './take-whole.ts'

/** Asks everything that can be known before a byte of the body is read; undefined: the client has left. */
export async function takeRequest(
  exchange: Exchange,
  lines: AnswerLines | undefined,
  deps: TakeRequestDeps,
): Promise<TakenRequest | Problem | undefined> {
  const { headers } = exchange.request
  if (!deps.enabled) return ingestionDisabled
  const address = clientAddress(exchange.request, deps.isProxy)
  if (address === undefined || !deps.isAllowed(address))
    return {
      code: 'address-refused',
      detail: `${address ?? 'an address that cannot be told'} is in none of the networks that may send here`,
    }
  const full = deps.pushBack.why()
  if (full !== undefined) {
    deps.pushBack.count(full)
    return refusalProblem(full)
  }
  const format = formatOf(headers)
  if (format === undefined) return unknownFormat(headers['content-type'])
  const asked = readAsked(exchange.target, headers)
  if ('code' in asked) return asked
  const opened = { exchange, asked, format, address, lines }

  // Only JSON has room for the name of a source.
  if (format.kind === 'json' && asked.sourceId === undefined)
    return takeWhole({ ...opened, source: undefined }, deps)
  const source = await admitSource(asked.sourceId ?? ANONYMOUS_SOURCE, address, deps)
  if ('code' in source) return source
  const known = { ...opened, source }
  return isStreamed(known, deps.limits) ? takeStreamed(known, deps) : takeWhole(known, deps)
}

function unknownFormat(contentType = ''): Problem {
  return {
    code: 'media-type-unsupported',
    detail: `the body is said to be "${contentType.slice(0, 128)}"`,
  }
}
