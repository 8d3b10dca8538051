import { readHeadersFile, verifyProof } from '../../src/contract/verify.ts'
import { concat, fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts'
import { canonicalHash, canonicalize, parseJson } from '../../src/core/canonical-json.ts'
import { digestHex } from '../../src/core/digest.ts'
import { orThrow } from '../../src/core/fault.ts'
import { includes, inclusionPath, leafHash, merkleRoot } from '../../src/core/merkle.ts'

/** Some work of every kind, told as text. It runs in Node and in a page, and must come out the same. */
export function browserSample(): string {
  const event = parseJson('{"b":[1e-7,-0,"Zürich 東京 😀\\n"],"a":{"10":true,"9":null}}')
  const texts = ['', 'a', 'é', 'x'.repeat(100_000)]
  const leaves = concat(...texts.map(text => leafHash(utf8(text))))
  const root = merkleRoot(leaves)
  const path = inclusionPath(leaves, 2)
  return JSON.stringify([
    event.ok && [canonicalize(event.value), canonicalHash(event.value)],
    [parseJson('{"a":'), parseJson('[9007199254740993]'), canonicalize({ a: '\ud800' })],
    texts.map(text => digestHex('assay:sample:1', text, utf8(text))),
    [toHex(root), path.map(toHex), includes(root, leafHash(utf8('é')), 2, texts.length, path)],
    [fromUtf8(Uint8Array.of(0xff)) ?? null, fromHex('zz') ?? null],
  ])
}

/** What the verifier says of a proof to a reader who trusts the log it names, these operators and these headers. */
export function browserVerdict(proof: string, headers: string, operators: string): string {
  const logs = new Set([JSON.parse(proof).packet.header.log])
  const trust = {
    logs,
    operators: new Set(operators.trim().split('\n')),
    headers: orThrow(readHeadersFile(headers)),
  }
  return JSON.stringify(verifyProof(proof, { ...trust, allowLocal: true }))
}
