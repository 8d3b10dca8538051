import { publicKeyOf, sign, verify } from '#curve'
import { sha256, sha256Hex } from '#sha256'
import { concat, utf8 } from '../src/core/bytes.ts'
import { canonicalHash, canonicalJson, parseJson } from '../src/core/canonical-json.ts'
import { identify } from '../src/core/event/identity.ts'
import { orThrow } from '../src/core/fault.ts'
import { leafHash, merkleRoot } from '../src/core/merkle.ts'
import { type Case, type Figure, measure } from './measure.ts'
import { referenceEvent } from './reference-event.ts'

const EVENTS = 1_000

export async function measureCore(): Promise<Figure[]> {
  const posted = Array.from({ length: EVENTS }, (_, index) => JSON.stringify(referenceEvent(index)))
  // Parsed, as ingest has them, and not the literals: the engine lays the two out differently.
  const events = posted.map(text => orThrow(parseJson(text)))
  const leaves = concat(...posted.map(text => leafHash(utf8(text))))

  const key = sha256('a key for measuring only')
  const publicKey = publicKeyOf(key)
  const hashes = events.map(event => sha256(canonicalJson(event)))
  const signatures = hashes.slice(0, 100).map(hash => sign(hash, key))

  return measure([
    each('JSON.parse + JSON.stringify + crypto.hash', posted, text =>
      sha256Hex(JSON.stringify(JSON.parse(text))),
    ),
    each('JSON.stringify + crypto.hash', events, event => sha256Hex(JSON.stringify(event))),
    each('parse', posted, text => parseJson(text)),
    each('canonicalise', events, event => canonicalJson(event)),
    each('canonicalise + hash', events, event => canonicalHash(event), 400_000),
    each('parse + canonicalise + hash', posted, text => canonicalHash(orThrow(parseJson(text))), 170_000),
    each('canonicalise + event id', events, event =>
      identify(
        {
          sourceId: 'sensor-1',
          streamId: 'readings',
          payloadJcs: canonicalJson(event),
          eventTimeMs: 1_763_600_000_000,
        },
        { ingestTimeMs: 1_763_600_000_000, key: '', index: 0 },
      ),
    ),
    { name: `RFC 6962 root of ${EVENTS} leaves`, times: 1, run: () => merkleRoot(leaves), aim: 1_000 },
    each('sign', hashes.slice(0, 100), hash => sign(hash, key), 18_000),
    each('verify', signatures, (signature, i) => verify(signature, hashes[i] ?? key, publicKey), 15_000),
  ])
}

function each<T>(
  name: string,
  items: readonly T[],
  act: (item: T, index: number) => unknown,
  aim?: number,
): Case {
  const run = () => {
    for (let i = 0; i < items.length; i++) act(items[i] as T, i)
  }
  return { name, times: items.length, run, ...(aim === undefined ? {} : { aim }) }
}
