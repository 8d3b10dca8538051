import { describe, expect, test } from 'vitest'
import type { Level } from '../../../../src/core/level.ts'
import { type Host, judge } from '../../../../src/core/rounds/judging/judge.ts'
import {
  type JobFacts,
  noLeaf,
  type PipelineTransaction,
  type Role,
} from '../../../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../../../src/core/rounds/round.ts'
import { honestChain, leafOf } from '../chain.ts'

const host: Host = { templates: ['packet', 'aggregate'] }

type Chain = Map<string, PipelineTransaction>

const otherFacts: { readonly [Name in keyof JobFacts]: Partial<JobFacts> } = {
  coordinator: { coordinator: 'thief' },
  subject: { subject: 'other' },
  template: { template: 'aggregate' },
  stage: { stage: 'validate' },
  level: { level: 'basic' },
  members: { members: [0, 2] },
  inputRoot: { inputRoot: noLeaf },
  inputHash: { inputHash: 'other' },
  deadlineMs: { deadlineMs: 2 },
  outputBytesMax: { outputBytesMax: 2 },
}

describe('a judge admits', () => {
  test.each(['basic', 'enhanced', 'critical'] as const)('every transaction of an honest %s round', level => {
    const chain = honestChain(level)
    const pipeline = [...chain.keys()].filter(txid => !txid.startsWith('fuel'))
    for (const txid of pipeline)
      expect(judge(txid, historyOf(chain, txid), host), txid).toMatchObject({ ok: true })
  })

  test('seats and thread of a job, the one output of a result, the tokens of a certificate', () => {
    const chain = honestChain('enhanced')
    const admission = (txid: string) => judge(txid, historyOf(chain, txid), host)
    expect(admission('job validate')).toEqual({
      ok: true,
      value: { topic: 'validate', outputs: [0, 1, 2, 3] },
    })
    expect(admission('result certify 2')).toEqual({ ok: true, value: { topic: 'certify', outputs: [0] } })
    expect(admission('certificate')).toEqual({ ok: true, value: { topic: 'certified', outputs: [1, 3] } })
  })

  test('a close, of which no topic keeps anything', () => {
    const chain = honestChain('basic')
    put(chain, { txid: 'close', inputs: [{ txid: 'job normalize', vout: 1 }], role: { kind: 'plain' } })
    expect(judge('close', historyOf(chain, 'close'), host)).toEqual({
      ok: true,
      value: { topic: undefined, outputs: [] },
    })
  })

  test('a step that leaves members behind, and one that is short of a dissenting result', () => {
    const chain = honestChain('enhanced')
    changeResult(chain, 'result certify 2', { leaves: [leafOf('certify', 0), leafOf('certify', 1, 'lie')] })
    changeCertificate(chain, ({ members }) => ({ members: members.slice(0, 1) }))
    expect(verdict(chain)).toBe('admitted')
    dropInput(chain, 'certificate', 'result certify 2')
    expect(verdict(chain)).toBe('admitted')
  })

  test('a basic round whose coordinator is its own operator', () => {
    const chain = honestChain('basic')
    for (const stage of ['normalize', 'validate', 'certify'])
      changeSeat(chain, `job ${stage}`, 0, { operator: 'coordinator' })
    expect(verdict(chain)).toBe('admitted')
  })

  test('an aggregate, whose only stage is certify', () => {
    expect(verdict(honestChain('enhanced', [0], 'aggregate'))).toBe('admitted')
  })
})

describe('a judge refuses a history in which', () => {
  type Case = [what: string, sentence: RegExp, breakIt: (chain: Chain) => void, level?: Level]
  const broken: Case[] = [
    [
      'an output is spent twice',
      /spent twice/,
      chain =>
        put(chain, { txid: 'other', inputs: [{ txid: 'job certify', vout: 0 }], role: { kind: 'plain' } }),
    ],
    [
      'one input is named twice by one transaction',
      /spent twice/,
      chain => changeInputs(chain, 'certificate', inputs => [...inputs, ...inputs.slice(0, 1)]),
    ],
    ['an ancestor is missing', /not in the BEEF/, chain => chain.delete('result normalize 1')],
    ['the fuel is missing', /not in the BEEF/, chain => chain.delete('fuel of job normalize')],
    [
      'a token breaks its form',
      /its signature is not/,
      chain =>
        changeRole(chain, 'result normalize 0', () => ({
          kind: 'malformed',
          why: 'its signature is not its issuer’s',
        })),
    ],
    ['the template is unknown', /template/, chain => changeAllFacts(chain, { template: 'lottery' })],
    [
      'two seats belong to one operator',
      /one operator/,
      chain => changeSeat(chain, 'job validate', 1, { operator: 'operator 0' }),
    ],
    [
      'a job has a seat too few',
      /has 2 seats/,
      chain =>
        changeRole(chain, 'job validate', role =>
          role.kind === 'job' ? { ...role, seats: role.seats.slice(1) } : role,
        ),
    ],
    [
      'a job has a seat too many',
      /has 4 seats/,
      chain =>
        changeRole(chain, 'job validate', role =>
          role.kind === 'job'
            ? { ...role, seats: [...role.seats, { agentKey: 'agent 3', operator: 'operator 3' }] }
            : role,
        ),
    ],
    [
      'the coordinator judges its own work',
      /its own work/,
      chain => changeSeat(chain, 'job validate', 2, { operator: 'coordinator' }),
    ],
    ['a job names no member', /no member/, chain => changeFacts(chain, 'job normalize', { members: [] })],
    ['members descend', /ascending/, chain => changeFacts(chain, 'job normalize', { members: [1, 0] })],
    [
      'a member is named twice',
      /ascending/,
      chain => changeFacts(chain, 'job normalize', { members: [1, 1] }),
    ],
    [
      'a member is beyond any round',
      /ascending/,
      chain => changeFacts(chain, 'job normalize', { members: [0, 64] }),
    ],
    [
      'a member is half a number',
      /ascending/,
      chain => changeFacts(chain, 'job normalize', { members: [0.5] }),
    ],
    [
      'a stage is none of its template',
      /not one of its template/,
      chain => changeFacts(chain, 'job validate', { stage: 'bless' }),
    ],
    [
      'a first stage has an input',
      /other than zeros/,
      chain => changeFacts(chain, 'job normalize', { inputRoot: leafOf('x', 0) }),
    ],
    [
      'a first stage begins with an output of the pipeline',
      /only fuel/,
      chain => changeInputs(chain, 'job normalize', inputs => [...inputs, { txid: 'certificate', vout: 4 }]),
    ],
    [
      'a result spends two seats',
      /more than the one input/,
      chain => {
        changeInputs(chain, 'result normalize 0', inputs => [
          ...inputs,
          { txid: 'fuel of job certify', vout: 9 },
        ])
      },
    ],
    [
      'a result spends the thread',
      /no seat/,
      chain => changeInputs(chain, 'result certify 0', () => [{ txid: 'job certify', vout: 4 }]),
    ],
    [
      'a result spends fuel',
      /does not spend a job/,
      chain => changeInputs(chain, 'result certify 0', () => [{ txid: 'fuel of job certify', vout: 9 }]),
    ],
    [
      'a result claims another seat',
      /another seat/,
      chain => changeResult(chain, 'result certify 0', { jobOutpoint: { txid: 'job certify', vout: 1 } }),
    ],
    [
      'a result is by another agent',
      /another agent/,
      chain => changeResult(chain, 'result certify 0', { agentKey: 'agent 1' }),
    ],
    [
      'a result is held back by its agent',
      /cannot spend/,
      chain => changeResult(chain, 'result certify 0', { lockedTo: 'agent 0' }),
    ],
    [
      'a result is a leaf short',
      /1 leaves for 2 members/,
      chain => changeResult(chain, 'result certify 0', { leaves: [leafOf('certify', 0)] }),
    ],
    ...Object.entries(otherFacts).map(
      ([name, facts]): Case => [
        `a result repeats another ${name}`,
        /repeats other facts/,
        chain => changeFacts(chain, 'result certify 0', facts),
      ],
    ),
    ['a step spends no thread', /spends 0 threads/, chain => dropInput(chain, 'certificate', 'job certify')],
    [
      'a step spends two threads',
      /spends 2 threads/,
      chain => {
        for (const [txid, transaction] of honestChain('enhanced'))
          if (txid === 'job normalize' || txid === 'fuel of job normalize')
            put(chain, {
              ...transaction,
              txid: `other ${txid}`,
              inputs: transaction.inputs.map(input => ({ ...input, txid: `other ${input.txid}` })),
            })
        changeInputs(chain, 'certificate', inputs => [...inputs, { txid: 'other job normalize', vout: 3 }])
      },
    ],
    [
      'a stage is left out',
      /does not follow/,
      chain => {
        changeInputs(chain, 'job certify', inputs =>
          inputs.map(({ txid, vout }) => ({ txid: txid.replace('validate', 'normalize'), vout })),
        )
        chain.delete('job validate')
        for (const seat of [0, 1, 2]) chain.delete(`result validate ${seat}`)
        changeFacts(chain, 'job certify', {
          inputRoot: rootOver([leafOf('normalize', 0), leafOf('normalize', 1)]),
        })
        for (const seat of [0, 1, 2])
          changeFacts(chain, `result certify ${seat}`, {
            inputRoot: rootOver([leafOf('normalize', 0), leafOf('normalize', 1)]),
          })
      },
    ],
    [
      'a certificate is of another coordinator',
      /coordinator/,
      chain => changeCertificate(chain, () => ({ coordinator: 'thief' })),
    ],
    [
      'a certificate is of another round',
      /subject/,
      chain => changeCertificate(chain, () => ({ subject: 'other' })),
    ],
    [
      'a certificate claims a higher level',
      /level/,
      chain => changeCertificate(chain, () => ({ level: 'critical' })),
    ],
    [
      'a certificate is of another template',
      /members|template/,
      chain => changeCertificate(chain, () => ({ template: 'aggregate' })),
    ],
    [
      'the round document changes on the way',
      /round document/,
      chain => {
        changeFacts(chain, 'job certify', { inputHash: 'other' })
        for (const seat of [0, 1, 2]) changeFacts(chain, `result certify ${seat}`, { inputHash: 'other' })
      },
    ],
    [
      'a step spends results of another job',
      /neither fuel nor a result/,
      chain => {
        dropInput(chain, 'job validate', 'result normalize 0')
        changeInputs(chain, 'certificate', inputs => [...inputs, { txid: 'result normalize 0', vout: 0 }])
      },
    ],
    [
      'a step spends the change of a result',
      /neither fuel nor a result/,
      chain =>
        changeInputs(chain, 'certificate', inputs => [...inputs, { txid: 'result certify 0', vout: 1 }]),
    ],
    [
      'a step spends a seat that nobody answered',
      /neither fuel nor a result/,
      chain => {
        dropInput(chain, 'certificate', 'result certify 0')
        chain.delete('result certify 0')
        changeInputs(chain, 'certificate', inputs => [...inputs, { txid: 'job certify', vout: 0 }])
      },
    ],
    [
      'one vote is missing',
      /do not agree on member 0/,
      chain => {
        dropInput(chain, 'certificate', 'result certify 0')
        dropInput(chain, 'certificate', 'result certify 1')
      },
    ],
    [
      'votes differ',
      /do not agree on member 1/,
      chain => {
        changeResult(chain, 'result certify 0', { leaves: [leafOf('certify', 0), leafOf('certify', 1, 'a')] })
        changeResult(chain, 'result certify 1', { leaves: [leafOf('certify', 0), leafOf('certify', 1, 'b')] })
      },
    ],
    [
      'agents that failed are counted',
      /do not agree on member 0/,
      chain => {
        changeResult(chain, 'result certify 0', { status: 'failed' })
        changeResult(chain, 'result certify 1', { status: 'rejected' })
      },
    ],
    [
      'silence is certified',
      /do not agree on member 0/,
      chain => {
        for (const seat of [0, 1, 2])
          changeResult(chain, `result certify ${seat}`, { leaves: [noLeaf, noLeaf] })
        changeCertificate(chain, () => ({ members: [{ index: 0, versionId: noLeaf }] }))
      },
    ],
    [
      'a member joins that was never worked on',
      /do not agree on member 2/,
      chain =>
        changeCertificate(chain, ({ members }) => ({
          members: [...members, { index: 2, versionId: leafOf('certify', 1) }],
        })),
    ],
    [
      'another version is certified',
      /another version of member 1/,
      chain =>
        changeCertificate(chain, ({ members }) => ({
          members: members.map(member => ({ ...member, versionId: leafOf('certify', 0) })),
        })),
    ],
    [
      'the input root is not that of the agreed leaves',
      /input root is not/,
      chain => {
        changeFacts(chain, 'job validate', { inputRoot: leafOf('x', 0) })
        for (const seat of [0, 1, 2])
          changeFacts(chain, `result validate ${seat}`, { inputRoot: leafOf('x', 0) })
      },
    ],
    [
      'one operator of a critical round dissents',
      /do not agree on member 0; level critical needs 3/,
      chain =>
        changeResult(chain, 'result certify 2', {
          leaves: [leafOf('certify', 0, 'x'), leafOf('certify', 1)],
        }),
      'critical',
    ],
  ]

  test.each(broken)('%s', (_, sentence, breakIt, level = 'enhanced') => {
    const chain = honestChain(level)
    breakIt(chain)
    expect(verdict(chain)).toMatch(sentence)
  })

  test('an operator or a coordinator is not on the list of the host', () => {
    const chain = honestChain('enhanced')
    const refusedBy = (more: Partial<Host>) => verdict(chain, { ...host, ...more })
    expect(refusedBy({ coordinators: new Set(['coordinator']) })).toBe('admitted')
    expect(refusedBy({ coordinators: new Set(['somebody']) })).toMatch(/coordinator is not one/)
    expect(refusedBy({ operators: new Set(['operator 0', 'operator 1', 'operator 2']) })).toBe('admitted')
    expect(refusedBy({ operators: new Set(['operator 0', 'operator 1']) })).toMatch(/not on the list/)
    expect(refusedBy({ templates: ['aggregate'] })).toMatch(/template/)
  })

  test('nothing belongs to the pipeline', () => {
    const chain = honestChain('basic')
    expect(sentenceOf(judge('fuel of certificate', chain, host))).toMatch(/neither holds a pipeline token/)
    expect(sentenceOf(judge('no such', chain, host))).toMatch(/does not hold/)
  })
})

describe('a hostile graph', () => {
  test('of a hundred thousand generations is judged without recursion', () => {
    const chain = honestChain('basic')
    for (let i = 0; i < 100_000; i++)
      put(chain, { txid: `p${i}`, inputs: [{ txid: `p${i - 1}`, vout: 0 }], role: { kind: 'plain' } })
    expect(verdict(chain)).toBe('admitted')
  })

  test('in which everything is its own ancestor is refused', () => {
    const chain = honestChain('basic')
    changeInputs(chain, 'job normalize', () => [{ txid: 'certificate', vout: 2 }])
    expect(verdict(chain)).toMatch(/only fuel/)
  })
})

function verdict(chain: Chain, by = host): string {
  const outcome = judge('certificate', chain, by)
  return outcome.ok ? 'admitted' : sentenceOf(outcome)
}

function sentenceOf(outcome: ReturnType<typeof judge>): string {
  return outcome.ok ? 'admitted' : `${outcome.fault.code}: ${outcome.fault.detail}`
}

function historyOf(chain: Chain, txid: string): Chain {
  const history: Chain = new Map()
  const open = [txid]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const transaction = chain.get(next)
    if (transaction !== undefined) put(history, transaction)
    for (const input of transaction?.inputs ?? []) open.push(input.txid)
  }
  return history
}

function put(chain: Chain, transaction: PipelineTransaction): void {
  chain.set(transaction.txid, transaction)
}

function changeRole(chain: Chain, txid: string, change: (role: Role) => Role): void {
  const transaction = chain.get(txid)
  if (transaction === undefined) throw new Error(`no ${txid}`)
  put(chain, { ...transaction, role: change(transaction.role) })
}

function changeInputs(
  chain: Chain,
  txid: string,
  change: (inputs: PipelineTransaction['inputs']) => PipelineTransaction['inputs'],
): void {
  const transaction = chain.get(txid)
  if (transaction === undefined) throw new Error(`no ${txid}`)
  put(chain, { ...transaction, inputs: change(transaction.inputs) })
}

function dropInput(chain: Chain, txid: string, parent: string): void {
  changeInputs(chain, txid, inputs => inputs.filter(input => input.txid !== parent))
}

function changeFacts(chain: Chain, txid: string, facts: Partial<JobFacts>): void {
  changeRole(chain, txid, role =>
    role.kind === 'job' || role.kind === 'result' ? { ...role, facts: { ...role.facts, ...facts } } : role,
  )
}

function changeAllFacts(chain: Chain, facts: Partial<JobFacts>): void {
  for (const txid of chain.keys()) changeFacts(chain, txid, facts)
}

function changeSeat(chain: Chain, txid: string, seat: number, more: { operator: string }): void {
  changeRole(chain, txid, role =>
    role.kind === 'job'
      ? { ...role, seats: role.seats.map((one, i) => (i === seat ? { ...one, ...more } : one)) }
      : role,
  )
}

type RoleOf<K extends Role['kind']> = Extract<Role, { kind: K }>

function changeResult(chain: Chain, txid: string, more: Partial<RoleOf<'result'>>): void {
  changeRole(chain, txid, role => (role.kind === 'result' ? { ...role, ...more } : role))
}

function changeCertificate(
  chain: Chain,
  change: (certificate: RoleOf<'certificate'>) => Partial<RoleOf<'certificate'>>,
): void {
  changeRole(chain, 'certificate', role =>
    role.kind === 'certificate' ? { ...role, ...change(role) } : role,
  )
}
