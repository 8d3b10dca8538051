import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import * as sdk from '@bsv/sdk'
import {
  BigNumber,
  CompletedProtoWallet,
  Curve,
  KeyDeriver,
  Point,
  PrivateKey,
  ProtoWallet,
  PublicKey,
  Signature,
  Spend,
  TransactionSignature,
} from '@bsv/sdk'
import { beforeAll, describe, expect, test } from 'vitest'
import { installNativeCurve } from '../../../src/adapters/bsv/native-curve.ts'
import { type Answer, bytes32, equalityRuns, natively, sameUnderBoth } from './equality.ts'

const { n, p } = new Curve()
const keys = Array.from({ length: 24 }, (_, i) => new PrivateKey(bytes32('key', i)))
const keyAt = (i: number) => keys[i % keys.length] ?? new PrivateKey(1)
const edgeKeys = [1, 2, 3]
  .map(small => new PrivateKey(small))
  .concat([1, 2].map(below => new PrivateKey(n.subn(below).toArray())))
const edgeHashes = [
  new BigNumber(0),
  new BigNumber(1),
  n.subn(1),
  n,
  n.addn(1),
  new BigNumber(Array(32).fill(255)),
]
const publicKeys: PublicKey[] = []
beforeAll(() => {
  for (const key of keys) publicKeys.push(key.toPublicKey())
})

/** A wallet whose every key is this one, so that signing and verifying are all it does. */
function walletOf(key: PrivateKey, publicKey: PublicKey = key.toPublicKey()): ProtoWallet {
  const deriver = new KeyDeriver(new PrivateKey(1))
  deriver.derivePrivateKey = () => key
  deriver.derivePublicKey = () => publicKey
  return new ProtoWallet(deriver)
}
const protocol = { protocolID: [2, 'equality'] as [2, string], keyID: '1' }

describe('libsecp256k1 under the SDK', () => {
  test('signs the same bytes', async () => {
    const messages = Array.from({ length: equalityRuns }, (_, i) => bytes32('message', i).slice(i % 32))
    const answers = await sameUnderBoth([
      ...messages.map((message, i): [string, () => unknown] => [
        `message ${i}`,
        () => keyAt(i).sign(message).toDER(),
      ]),
      ['text', () => keyAt(0).sign('a text').toDER()],
      ['hex', () => keyAt(0).sign('0a0b', 'hex').toDER()],
      ['high S', () => keyAt(0).sign('a text', 'utf8', false).toDER()],
      ['its own k', () => keyAt(0).sign('a text', 'utf8', true, new BigNumber(7)).toDER()],
      ['a key of zero', () => new PrivateKey(0).sign([1]).toDER()],
      ['a key beyond the order', () => new PrivateKey(n.addn(5), 10, 'be', 'nocheck').sign([1]).toDER()],
      [
        'no message',
        () =>
          keyAt(0)
            .sign(undefined as unknown as string)
            .toDER(),
      ],
    ])
    expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBeGreaterThan(equalityRuns)
  })

  test('signs the same bytes with keys and hashes at the edges', async () => {
    await sameUnderBoth(
      edgeKeys.flatMap((key, i) =>
        [...edgeHashes.map(hash => hash.toArray('be', 32)), [1], Array(33).fill(1)].map(
          (hashToDirectlySign, j): [string, () => unknown] => [
            `key ${i}, hash ${j}`,
            () => walletOf(key).createSignature({ ...protocol, hashToDirectlySign }),
          ],
        ),
      ),
    )
  })

  /** Ways to get a signature wrong, or right in another way. */
  function variants({ r, s }: Signature, i: number): [string, Signature][] {
    const flipped = new BigNumber(
      s.toArray('be', 32).map((byte, at) => (at === i % 32 ? byte ^ (1 << (i % 8)) : byte)),
    )
    return [
      ['as signed', new Signature(r, s)],
      ['high S', new Signature(r, n.sub(s))],
      ['r + 1', new Signature(r.addn(1), s)],
      ['another s', new Signature(r, flipped)],
    ]
  }
  function edges({ r, s }: Signature): [string, Signature][] {
    const zero = new BigNumber(0)
    const numbers = {
      zero,
      n,
      'n + 1': n.addn(1),
      p,
      '2^256': new BigNumber([1, ...Array(32).fill(0)]),
      'minus 1': new BigNumber(-1),
    }
    return [
      ['r + n', new Signature(r.add(n), s)],
      ['s + n', new Signature(r, s.add(n))],
      ['minus s', new Signature(r, s.neg())],
      ...Object.entries(numbers).flatMap(([name, number]): [string, Signature][] => [
        [`r = ${name}`, new Signature(number, s)],
        [`s = ${name}`, new Signature(r, number)],
      ]),
    ]
  }

  test('gives the same verdicts', async () => {
    const cases = await natively(() =>
      Array.from({ length: equalityRuns }, (_, i) => {
        const message = bytes32('verdict', i)
        return {
          i,
          message,
          key: publicKeys[i % 24] ?? new PublicKey(null),
          other: publicKeys[(i + 1) % 24] ?? new PublicKey(null),
          signature: keyAt(i).sign(message),
        }
      }),
    )
    const answers = await sameUnderBoth(
      cases.flatMap(({ i, message, key, other, signature }): [string, () => unknown][] => [
        ...[...variants(signature, i), ...(i < 20 ? edges(signature) : [])].map(
          ([name, variant]): [string, () => unknown] => [name, () => key.verify(message, variant)],
        ),
        ['another key', () => other.verify(message, signature)],
        ['another message', () => signature.verify([...message, 0], key)],
      ]),
    )
    // As signed, with a high S, and with a negative one, whose sign the SDK does not look at.
    expect(answers.filter(answer => answer === true)).toHaveLength(
      2 * equalityRuns + Math.min(20, equalityRuns),
    )
  })

  test('gives the same verdicts on hashes and keys at the edges', async () => {
    const offCurve = new PublicKey(new BigNumber(5), new BigNumber(6))
    const questions: [string, () => unknown][] = []
    for (const [i, key] of edgeKeys.entries())
      for (const [j, hash] of edgeHashes.entries()) {
        const hashToDirectlyVerify = hash.toArray('be', 32)
        const { signature } = await walletOf(key).createSignature({
          ...protocol,
          hashToDirectlySign: hashToDirectlyVerify,
        })
        for (const [name, publicKey] of [
          ['its', key.toPublicKey()],
          ['an off-curve', offCurve],
          ['no', new PublicKey(null)],
        ] as const)
          questions.push([
            `${name} key ${i}, hash ${j}`,
            () => walletOf(key, publicKey).verifySignature({ ...protocol, hashToDirectlyVerify, signature }),
          ])
      }
    questions.push(
      [
        'short hash',
        () =>
          walletOf(keyAt(0)).verifySignature({
            ...protocol,
            hashToDirectlyVerify: [1],
            signature: keyAt(0).sign([1]).toDER() as number[],
          }),
      ],
      [
        'long hash',
        () =>
          walletOf(keyAt(0)).verifySignature({
            ...protocol,
            hashToDirectlyVerify: Array(33).fill(1),
            signature: keyAt(0).sign([1]).toDER() as number[],
          }),
      ],
      ['private key', () => keyAt(0).verify([1], keyAt(0).sign([1]))],
    )
    const answers = await sameUnderBoth(questions)
    expect(answers).toContainEqual({ valid: true })
    expect(answers).toContain('throws Signature is not valid')
  })

  test('makes the same public keys', async () => {
    await sameUnderBoth([
      ...[...keys, ...edgeKeys].map((key, i): [string, () => unknown] => [
        `key ${i}`,
        () => key.toPublicKey(),
      ]),
      ['of zero', () => new PrivateKey(0).toPublicKey()],
      ['of n + 5', () => new PrivateKey(n.addn(5), 10, 'be', 'nocheck').toPublicKey()],
      ['of p + 5', () => new PrivateKey(p.addn(5), 10, 'be', 'nocheck').toPublicKey()],
      ['address', () => keyAt(0).toAddress()],
    ])
  })

  test('reads the same public keys', async () => {
    const prefixes = [0, 2, 3, 4, 5, 6, 7]
    const strange = [p, p.addn(1), p.subn(1), new BigNumber(Array(32).fill(255)), new BigNumber(0)].map(x =>
      x.toArray('be', 32),
    )
    const encodings = [
      ...Array.from({ length: Math.ceil(equalityRuns / 4) }, (_, i) => bytes32('x', i)),
      ...strange,
    ].flatMap(x =>
      prefixes.flatMap(prefix => [
        [prefix, ...x],
        [prefix, ...x, ...x],
      ]),
    )
    for (const [i, key] of publicKeys.entries()) {
      const full = key.encode(false) as number[]
      for (const prefix of prefixes) encodings.push([prefix, ...full.slice(1)])
      encodings.push(key.encode(true) as number[], [
        2 + (i % 2),
        ...full.slice(1, 33).map(byte => byte + 256),
      ])
    }
    encodings.push([], [2], Array(32).fill(2), Array(34).fill(2), Array(66).fill(4))
    const answers = await sameUnderBoth([
      ...encodings.map((der, i): [string, () => unknown] => [`encoding ${i}`, () => PublicKey.fromDER(der)]),
      ...encodings
        .slice(0, 60)
        .map((der, i): [string, () => unknown] => [
          `bytes ${i}`,
          () => Point.fromDER(Uint8Array.from(der) as unknown as number[]),
        ]),
      ...publicKeys.map((key, i): [string, () => unknown] => [
        `text ${i}`,
        () => PublicKey.fromString(key.toString()),
      ]),
      ['no text', () => PublicKey.fromString('xyz')],
    ])
    const read = answers.filter(answer => answer instanceof Point)
    expect(read.length).toBeGreaterThan(publicKeys.length)
    expect(read.length).toBeLessThan(answers.length)
  })

  test('derives the same keys', async () => {
    const questions: [string, () => unknown][] = []
    for (let i = 0; i < equalityRuns / 8; i++) {
      const [key, peer] = [keyAt(i), publicKeys[(i * 7) % 24] ?? new PublicKey(null)]
      const name = ['one', 'a key ü€😀', '\ud800 alone'][i % 3] ?? ''
      questions.push(
        ['private child', () => key.deriveChild(peer, `${name} ${i}`)],
        ['public child', () => peer.deriveChild(key, `${name} ${i}`)],
        ['shared secret', () => key.deriveSharedSecret(peer)],
        ['shared secret, other way', () => peer.deriveSharedSecret(key)],
      )
      for (const counterparty of ['anyone', 'self', peer.toString()])
        for (const forSelf of [true, false])
          questions.push([
            'wallet key',
            () => new ProtoWallet(key).getPublicKey({ ...protocol, keyID: `${i}`, counterparty, forSelf }),
          ])
    }
    const offCurve = new PublicKey(new BigNumber(5), new BigNumber(6))
    for (const [i, key] of [...edgeKeys, new PrivateKey(0)].entries())
      for (const [j, peer] of [
        publicKeys[0] ?? offCurve,
        keyAt(0).toPublicKey(),
        offCurve,
        new PublicKey(null),
      ].entries())
        questions.push(
          [`edge ${i} ${j}`, () => key.deriveChild(peer, 'x')],
          [`edge ${i} ${j} public`, () => peer.deriveChild(key, 'x')],
          [`edge ${i} ${j} secret`, () => key.deriveSharedSecret(peer)],
        )
    await sameUnderBoth(questions)
  })

  test('asks the memory of whoever derives, and tells it, as the SDK does', async () => {
    const calls = (): string[] => {
      const told: string[] = []
      const [key, peer] = [keyAt(1), publicKeys[2] ?? new PublicKey(null)]
      const remember = (secret: Point | undefined) => {
        for (const derive of [key.deriveChild.bind(key, peer, 'x'), peer.deriveChild.bind(peer, key, 'x')])
          told.push(
            derive(
              (_, __, point) => told.push(`kept ${point.toString()}`),
              () => {
                told.push('asked')
                return secret
              },
            ).toString(),
          )
      }
      remember(undefined)
      remember(publicKeys[3])
      return told
    }
    await sameUnderBoth([['calls', calls]])
  })

  test('lets wallets sign, verify, encrypt and authenticate alike', async () => {
    const questions: [string, () => unknown][] = []
    const anyone = new ProtoWallet('anyone')
    for (let i = 0; i < equalityRuns / 10; i++) {
      const wallet = new ProtoWallet(keyAt(i))
      const identity = publicKeys[i % 24]?.toString() ?? ''
      const peer = publicKeys[(i + 5) % 24]?.toString() ?? ''
      const data = Array.from({ length: 1 + i }, (_, at) => at % 256)
      const with_ = { ...protocol, keyID: `${i}`, data }
      const { signature } = await natively(() => wallet.createSignature({ ...with_, counterparty: 'anyone' }))
      const { r, s } = Signature.fromDER(signature)
      const spellings: number[][] = [
        signature,
        new Signature(r, n.sub(s)).toDER() as number[],
        [...signature, 0],
        signature.slice(0, -1),
        [0x30, 0x81, ...signature.slice(1)],
        [0x30, (signature[1] ?? 0) + 1, 2, (signature[3] ?? 0) + 1, 0, ...signature.slice(4)],
        signature.map((byte, at) => (at === 8 ? byte ^ 1 : byte)),
        [],
      ]
      for (const [at, spelling] of spellings.entries())
        questions.push([
          `spelling ${at}`,
          () => anyone.verifySignature({ ...with_, signature: spelling, counterparty: identity }),
        ])
      questions.push(
        ['for anyone', () => wallet.createSignature({ ...with_, counterparty: 'anyone' })],
        ['for a peer', () => wallet.createSignature({ ...with_, counterparty: peer })],
        ['by default', () => wallet.createSignature(with_)],
        ['of another', () => anyone.verifySignature({ ...with_, signature, counterparty: peer })],
        [
          'of other data',
          () => anyone.verifySignature({ ...with_, data: [...data, 1], signature, counterparty: identity }),
        ],
        ['hmac', () => wallet.createHmac({ ...with_, counterparty: peer })],
        ['linkage', async () => new KeyDeriver(keyAt(i)).revealCounterpartySecret(peer)],
      )
    }
    questions.push(
      ['no data', () => anyone.createSignature(protocol)],
      ['no data to verify', () => anyone.verifySignature({ ...protocol, signature: [] })],
      ['a bad protocol', () => anyone.createSignature({ ...protocol, protocolID: [2, 'x'], data: [1] })],
      ['a bad counterparty', () => anyone.createSignature({ ...protocol, counterparty: '02', data: [1] })],
      [
        'a completed wallet',
        () => new CompletedProtoWallet(keyAt(0)).createSignature({ ...protocol, data: [1] }),
      ],
    )
    const answers: Answer[] = await sameUnderBoth(questions)
    expect(answers).toContainEqual({ valid: true })
  })

  test('complains with the code that the SDK complains with', async () => {
    const refused = () =>
      new ProtoWallet('anyone').verifySignature({
        ...protocol,
        data: [1],
        signature: keyAt(0).sign([2]).toDER() as number[],
        counterparty: keyAt(0).toPublicKey().toString(),
      })
    await expect(refused()).rejects.toMatchObject({ code: 'ERR_INVALID_SIGNATURE' })
    await natively(() => expect(refused()).rejects.toMatchObject({ code: 'ERR_INVALID_SIGNATURE' }))
  })
})

describe('the overrides', () => {
  const members = () => [
    PrivateKey.prototype.sign,
    PrivateKey.prototype.verify,
    PrivateKey.prototype.toPublicKey,
    PrivateKey.prototype.deriveChild,
    PrivateKey.prototype.deriveSharedSecret,
    PublicKey.prototype.verify,
    PublicKey.prototype.deriveChild,
    PublicKey.prototype.deriveSharedSecret,
    Signature.prototype.verify,
    Point.fromDER,
    Reflect.get(Spend.prototype, 'verifySignature'),
    ProtoWallet.prototype.createSignature,
    ProtoWallet.prototype.verifySignature,
  ]

  test('replace every one of these members, until the last holder lets go', () => {
    const stock = members()
    const first = installNativeCurve()
    const second = installNativeCurve()
    expect(first.signer).toBe('native')
    for (const [i, member] of members().entries()) expect(member).not.toBe(stock[i])
    first.uninstall()
    first.uninstall()
    for (const [i, member] of members().entries()) expect(member).not.toBe(stock[i])
    second.uninstall()
    expect(members()).toEqual(stock)
  })

  test('refuse an SDK that has lost one of them, by name, and leave it as it was', () => {
    const stock = members()
    class Unlike extends ProtoWallet {}
    expect(() => installNativeCurve({ ...sdk, ProtoWallet: Unlike })).toThrow(
      /ProtoWallet has no function createSignature/,
    )
    class Older extends TransactionSignature {}
    expect(() => installNativeCurve({ ...sdk, TransactionSignature: Older })).toThrow(
      /TransactionSignature has no function formatBytes/,
    )
    expect(members()).toEqual(stock)
  })

  test('reach the packages that a node stands on: they load the build for import, and no other', () => {
    const program = `
      import { createRequire } from 'node:module'
import * as sdk from '@bsv/sdk'
      for (const name of ['@bsv/sdk', '@bsv/overlay', '@bsv/gasp', '@bsv/auth-express-middleware']) await import(name)
      const loaded = Object.keys(createRequire(import.meta.url).cache)
      console.log(loaded.filter(path => path.includes('@bsv')).join())`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    })
    expect(stdout).toBe('\n')
  })

  test('go under the build for require as well', () => {
    const other: typeof sdk = createRequire(import.meta.url)('@bsv/sdk')
    expect(other.PrivateKey).not.toBe(PrivateKey)
    const sign = () => new other.PrivateKey(7).sign('x').toDER()
    const stock = sign()
    const stockMember = other.PrivateKey.prototype.sign
    const { uninstall } = installNativeCurve(other)
    expect(other.PrivateKey.prototype.sign).not.toBe(stockMember)
    expect(sign()).toEqual(stock)
    uninstall()
    expect(other.PrivateKey.prototype.sign).toBe(stockMember)
  })
})
