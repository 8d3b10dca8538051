import { PrivateKey } from '@bsv/sdk'
import { describe, expect, test } from 'vitest'
import { readSettings, SettingsError } from '../../src/runtime/settings.ts'

const walletKey = '0c28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d'
const whole = {
  ASSAY_NETWORK: 'testnet',
  DATABASE_URL: 'postgresql://localhost/assay',
  ARC_URL: 'https://arc.example',
  HEADERS_URL: 'https://headers.example',
  WALLET_KEY: walletKey,
}

describe('the settings of a public network', () => {
  test('are taken where all of them are there', () => {
    expect(readSettings(whole)).toMatchObject({ ASSAY_NETWORK: 'testnet', ARC_URL: 'https://arc.example' })
    expect(
      readSettings({
        ...whole,
        ASSAY_NETWORK: 'mainnet',
        ARC_API_KEY: 'key',
        ARC_CALLBACK_URL: 'https://node.example/arc-ingest',
        ARC_CALLBACK_TOKEN: 'a token of sixteen and more',
        HEADERS_TOKEN: 'token',
        WALLET_KEY: new PrivateKey(walletKey, 'hex').toWif(),
      }).WALLET_KEY,
    ).toMatchObject({ network: 'mainnet' })
  })

  test('are named, all that are missing, in one message', () => {
    expect(complaints({ ASSAY_NETWORK: 'mainnet' })).toEqual([
      'WALLET_KEY: ASSAY_NETWORK=mainnet needs it: the private key that pays for transactions',
      'ARC_URL: ASSAY_NETWORK=mainnet needs it: where transactions are handed over',
      'HEADERS_URL: ASSAY_NETWORK=mainnet needs it: where block headers come from; or HEADERS_FILE',
      'DATABASE_URL: ASSAY_NETWORK=mainnet needs it: where everything is kept; or ASSAY_DATA_DIR, the folder of the embedded database',
    ])
  })

  test.each<[string, Record<string, string>, string]>([
    [
      'a callback URL without its token',
      { ARC_CALLBACK_URL: 'https://node.example/arc-ingest' },
      'ARC_CALLBACK_URL: is set without ARC_CALLBACK_TOKEN; set both, or neither',
    ],
    [
      'a callback token without the URL',
      { ARC_CALLBACK_TOKEN: 'a token of sixteen and more' },
      'ARC_CALLBACK_TOKEN: is set without ARC_CALLBACK_URL; set both, or neither',
    ],
    [
      'a token of a header service that is not there',
      { HEADERS_URL: '', HEADERS_FILE: '/headers.json', HEADERS_TOKEN: 'token' },
      'HEADERS_TOKEN: is set without HEADERS_URL; set both, or neither',
    ],
    [
      'two sources of headers',
      { HEADERS_FILE: '/headers.json' },
      'HEADERS_FILE: is set beside HEADERS_URL; headers come from one of the two, so unset the other',
    ],
    [
      'a key of another network',
      { WALLET_KEY: new PrivateKey(walletKey, 'hex').toWif() },
      'WALLET_KEY: is a key of mainnet, and ASSAY_NETWORK is testnet; use a key of that network',
    ],
    [
      'the URL of a local chain',
      { LOCAL_CHAIN_URL: 'http://localhost:8080/chain' },
      'LOCAL_CHAIN_URL: is for the local chain, and ASSAY_NETWORK is testnet; unset it',
    ],
    [
      'the pace of a local chain',
      { LOCAL_BLOCK_MS: '1000' },
      'LOCAL_BLOCK_MS: is for the local chain, and ASSAY_NETWORK is testnet; unset it',
    ],
    [
      'control of a local chain',
      { LOCAL_CHAIN_CONTROL: 'false' },
      'LOCAL_CHAIN_CONTROL: is for the local chain, and ASSAY_NETWORK is testnet; unset it',
    ],
  ])('are refused with %s', (_, more, complaint) => {
    expect(complaints({ ...whole, ...more })).toEqual([complaint])
  })

  test('never show the key', () => {
    const [complaint] = complaints({ ...whole, WALLET_KEY: 'hunter2' })
    expect(complaint).toBe(
      'WALLET_KEY: not a private key as 64 hex digits or WIF (private key that pays on the public network, as 64 hex digits or WIF; needed there)',
    )
  })
})

describe('the settings of the local chain', () => {
  test.each(['ARC_URL', 'HEADERS_URL', 'ARC_CALLBACK_URL'])(
    'are refused with %s, which somebody set who thinks to be elsewhere',
    name => {
      expect(complaints({ [name]: 'https://service.example' })).toEqual([
        `${name}: is for testnet and mainnet, and ASSAY_NETWORK is local; set ASSAY_NETWORK, or unset ${name}`,
      ])
    },
  )
})

function complaints(env: Record<string, string>): readonly string[] {
  try {
    readSettings(env)
  } catch (error) {
    if (error instanceof SettingsError) return error.complaints
  }
  throw new Error('these settings were taken')
}
