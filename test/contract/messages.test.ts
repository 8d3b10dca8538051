import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  readAgentAdvert,
  readAgentHealth,
  readJobOffer,
  readWorkUpload,
} from '../../src/contract/messages.ts'
import { signUpload } from '../../src/contract/work.ts'
import { toHex } from '../../src/core/bytes.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { agents, madeUpRound, operators } from './made-up-round.ts'

const [agent] = agents
const upload = { jobOutpoint: { txid: sha256Hex('job'), vout: 1 }, sha256: sha256Hex('bytes'), length: 5 }

const kinds = [
  {
    name: 'a job offer',
    read: readJobOffer,
    message: { type: 'job', beef: Buffer.from(madeUpRound('basic', 1).beef).toString('base64'), seat: 0 },
    spoilt: { beef: 'not base64!' },
  },
  {
    name: 'a work upload',
    read: readWorkUpload,
    message: {
      type: 'work',
      agentKey: agent.identityKey,
      jobOutpoint: `${upload.jobOutpoint.txid}.1`,
      sha256: upload.sha256,
      length: upload.length,
      signature: toHex(signUpload(agent.privateKey, upload)),
    },
    spoilt: { jobOutpoint: `${upload.jobOutpoint.txid}.4294967296` },
  },
  {
    name: 'an agent’s health',
    read: readAgentHealth,
    message: {
      status: 'ready',
      agentKey: agent.identityKey,
      capabilities: ['normalize'],
      version: '0.1.0',
      signer: 'native',
      jobs: { running: 1, completed: 2, failed: 0, rejected: 0 },
      startedMs: 1_700_000_000_000,
    },
    spoilt: { agentKey: agent.identityKey.toUpperCase() },
  },
  {
    name: 'an agent’s advert',
    read: readAgentAdvert,
    message: {
      agentKey: agent.identityKey,
      operator: operators[0].identityKey,
      operatorFromMs: 1,
      operatorToMs: 2,
      capabilities: ['certify'],
      endpoints: ['https://agent.example'],
      packetsMax: 64,
      bytesMax: 1024,
      satoshisPerThousandEvents: 0,
      expiresMs: 2,
    },
    spoilt: { endpoints: [] },
  },
]

test('an outpoint has one spelling, and a seat is one of a job', () => {
  const [offer, work] = kinds
  const from = (output: string) => ({ ...work?.message, jobOutpoint: `${upload.jobOutpoint.txid}.${output}` })
  expect(readWorkUpload(from('4294967295'))).toMatchObject({ ok: true })
  for (const output of ['01', '4294967297', '-1', ''])
    expect(readWorkUpload(from(output))).toMatchObject({ fault: { pointer: '/jobOutpoint' } })
  expect(readJobOffer({ ...offer?.message, seat: 2 })).toMatchObject({ ok: true })
  expect(readJobOffer({ ...offer?.message, seat: 3 })).toMatchObject({ fault: { pointer: '/seat' } })
})

describe.each(kinds)('$name', ({ read, message, spoilt }) => {
  test('is read as it was sent', () => {
    expect(read(JSON.parse(JSON.stringify(message)))).toEqual({ ok: true, value: message })
  })

  test('with a member that is wrong, missing or unknown is refused, and the fault points at it', () => {
    const [member = ''] = Object.keys(spoilt)
    expect(read({ ...message, ...spoilt })).toMatchObject({
      fault: { code: 'message-invalid', pointer: `/${member}` },
    })
    const { [member]: _, ...rest } = message as Record<string, unknown>
    expect(read(rest)).toMatchObject({ fault: { pointer: `/${member}` } })
    expect(read({ ...message, extra: 1 })).toMatchObject({ fault: { code: 'message-invalid' } })
  })

  test('made of noise is refused by name', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(read(value)).toMatchObject({ fault: { code: 'message-invalid' } })
      }),
      { numRuns: 300 },
    )
  })
})
