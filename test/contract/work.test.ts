import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readWork, signUpload, verifyUpload, workHash, writeWork } from '../../src/contract/work.ts'
import { concat, toHex } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { agents } from './made-up-round.ts'

const bytesMax = 1 << 20
const bytes = fc.uint8Array({ maxLength: 40 })
const answered = fc.record({ leaf: fc.nat().map(n => sha256Hex(`${n}`)), output: bytes, state: bytes })
const unanswered = fc.constant({ leaf: noLeaf, output: new Uint8Array(), state: new Uint8Array() })
const work = fc.array(fc.oneof(answered, unanswered), { minLength: 1, maxLength: 6 })

describe('the bytes of a piece of work', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(work, members => {
        expect(orThrow(readWork(writeWork(members), members.length, bytesMax))).toEqual(members)
      }),
      { numRuns: 300 },
    )
  })

  test('begin with the leaves', () => {
    const leaf = sha256Hex('leaf')
    const written = writeWork([{ leaf, output: Uint8Array.of(1, 2), state: Uint8Array.of(3) }])
    expect(toHex(written)).toBe(`${leaf}00000002010200000001${'03'}`)
  })

  test('cut anywhere, followed by anything, or for another number of members are refused', () => {
    const members = [
      { leaf: sha256Hex('a'), output: Uint8Array.of(1), state: new Uint8Array() },
      { leaf: sha256Hex('b'), output: Uint8Array.of(2, 3), state: Uint8Array.of(4) },
    ]
    const written = writeWork(members)
    for (let length = 0; length < written.length; length++)
      expect(readWork(written.subarray(0, length), 2, bytesMax)).toMatchObject({
        fault: { code: 'message-invalid' },
      })
    expect(readWork(concat(written, Uint8Array.of(0)), 2, bytesMax)).toMatchObject({ ok: false })
    expect(readWork(written, 1, bytesMax)).toMatchObject({ ok: false })
    expect(readWork(written, 3, bytesMax)).toMatchObject({ ok: false })
  })

  test('larger than the job allows are refused unread', () => {
    expect(readWork(new Uint8Array(11), 1, 10)).toMatchObject({
      fault: { detail: expect.stringMatching(/allows 10/) },
    })
  })

  test('that announce 4 GB, or an output without a leaf, are refused', () => {
    const leaf = Uint8Array.from(Buffer.from(sha256Hex('a'), 'hex'))
    expect(readWork(concat(leaf, new Uint8Array(4).fill(255)), 1, bytesMax)).toMatchObject({ ok: false })
    const unowned = concat(new Uint8Array(32), Uint8Array.of(0, 0, 0, 1, 7, 0, 0, 0, 0))
    expect(readWork(unowned, 1, bytesMax)).toMatchObject({
      fault: { detail: expect.stringMatching(/no leaf/) },
    })
  })

  test('made of noise are read or refused, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(3), (noise, members) => {
        const read = readWork(noise, members, bytesMax)
        if (read.ok) expect(toHex(writeWork(read.value))).toBe(toHex(noise))
        else expect(read.fault.code).toBe('message-invalid')
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the hash of work', () => {
  test('is another for another agent, seat or output', () => {
    const jobOutpoint = { txid: sha256Hex('job'), vout: 0 }
    const hashes = [
      workHash(agents[0].identityKey, jobOutpoint, Uint8Array.of(1)),
      workHash(agents[1].identityKey, jobOutpoint, Uint8Array.of(1)),
      workHash(agents[0].identityKey, { ...jobOutpoint, vout: 1 }, Uint8Array.of(1)),
      workHash(agents[0].identityKey, jobOutpoint, Uint8Array.of(2)),
    ]
    expect(new Set(hashes).size).toBe(4)
  })
})

describe('leave to upload', () => {
  const upload = { jobOutpoint: { txid: sha256Hex('job'), vout: 1 }, sha256: sha256Hex('bytes'), length: 5 }
  const signature = signUpload(agents[0].privateKey, upload)

  test('holds for the agent, the outpoint, the bytes and their length, and nothing else', () => {
    expect(verifyUpload(agents[0].identityKey, upload, signature)).toBe(true)
    expect(verifyUpload(agents[1].identityKey, upload, signature)).toBe(false)
    const others = [
      { ...upload, jobOutpoint: { ...upload.jobOutpoint, vout: 2 } },
      { ...upload, sha256: sha256Hex('other') },
      { ...upload, length: 6 },
    ]
    for (const other of others) expect(verifyUpload(agents[0].identityKey, other, signature)).toBe(false)
  })
})
