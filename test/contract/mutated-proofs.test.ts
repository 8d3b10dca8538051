import { describe, expect, test } from 'vitest'
import { type Trust, verifyProof } from '../../src/contract/verify.ts'
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts'
import { certifiedRound } from '../support/certified-round.ts'
import { type Mutation, mutationKinds, mutationsOf } from '../support/mutations.ts'

const round = certifiedRound()
const json: Json = JSON.parse(canonicalJson(round.proof(1, 1)))
const trust: Trust = {
  logs: new Set([round.log.identityKey]),
  operators: new Set(round.operators.map(({ identityKey }) => identityKey)),
  headers: round.chain.headers(),
  allowLocal: true,
}

// All of them by hand with ASSAY_EVERY_BIT=1; otherwise the first ones, which are of every kind.
const count = process.env['ASSAY_EVERY_BIT'] ? 5_000 : 600
const mutations = mutationsOf(json, count, 20_260_101)

/** What a change of a member may be refused for: its own place, or the next one that it is tied to. */
const places: readonly (readonly [RegExp, RegExp])[] = [
  [/^\/(format|v)$/, /^$/],
  [/^\/event/, /^\/event/],
  [/^\/certified/, /^\/certified/],
  // Root and count are what the event's path leads to; the id of a packet, what the round's does.
  [/^\/packet\/header/, /^\/(packet|event\/path|beef)/],
  [/^\/(packet|round)/, /^\/(packet|beef)/],
  [/^\/manifest/, /^\/manifest/],
  [/^\/block/, /^(\/block)?$/],
  [/^\/beef/, /^(\/(beef|packet|manifest).*)?$/],
]
/** The form is refused before anything is looked at: strict, closed and canonical. */
const ofForm = ['removed', 'added', 'reordered', 'spaced']

/** Undefined where it is refused for what was done to it. */
function complaint({ kind, pointer, text }: Mutation): string | undefined {
  const verdict = verifyProof(text, trust)
  const what = `${kind} at ${pointer}`
  if (verdict.kind === 'valid')
    // The height of a block is not hashed: another one is a block that the headers do not have.
    return verdict.level !== 'proven' && verdict.shortfall?.includes('outside the headers')
      ? undefined
      : `${what}: taken as ${verdict.level}`
  const { code, detail, pointer: at = '' } = verdict.fault
  if (verdict.kind === 'unreadable')
    return code === 'proof-unreadable' && detail !== '' ? undefined : `${what}: ${code}`
  // What lines leave out is for the header to say; without it, they are not events.
  if (pointer.startsWith('/packet/header/constants') && code === 'event-unreadable') return undefined
  if (ofForm.includes(kind)) return `${what}: ${code} ${detail}`
  const [, expected] = places.find(([changed]) => changed.test(pointer)) ?? []
  return kind === 'byte' || expected?.test(at) ? undefined : `${what}: ${code} ${at} ${detail}`
}

describe(`${count} changes to a proof, the same ones each time`, () => {
  test.each(mutationKinds)('of kind %s are all refused, and for what was done', kind => {
    const done = mutations.filter(each => each.kind === kind)
    expect(done.length).toBeGreaterThan(count / 20)
    expect(done.flatMap(each => complaint(each) ?? [])).toEqual([])
  })

  test('reach every member of the file', () => {
    const reached = new Set(mutations.map(({ pointer }) => pointer.split('/')[1]))
    for (const member of Object.keys(Object(json))) expect(reached).toContain(member)
  })
})
