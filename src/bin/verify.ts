import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { readHeadersFile } from '../contract/headers.ts'
import {
  exitCodeOf,
  type ProofLevel,
  type ProofVerdict,
  proofLevels,
  type Trust,
  verifyProof,
} from '../contract/verify.ts'
import { orThrow } from '../core/fault.ts'

const usage = `assay verify <file.assay.json> [--log KEY]… [--operators FILE] [--headers FILE]
             [--require ${proofLevels.join('|')}] [--allow-local] [--json]

  --log        identity key of a log you trust; may be given more than once
  --operators  a file with the identity keys of the operators you trust, one a line
  --headers    a file of block headers you trust: {"network", "firstHeight", "headers": hex}
  --require    the level to reach (default: signed)`

/** Exit codes: 0 level reached, 1 invalid, 2 unreadable or wrong usage, 3 valid but below the level. */
export async function verify(args: readonly string[]): Promise<number> {
  try {
    const { file, required, json, trust } = await readArguments(args)
    const verdict = verifyProof(await readFile(file, 'utf8'), trust)
    console.log(json ? JSON.stringify(verdict, undefined, 2) : inWords(verdict))
    return exitCodeOf(verdict, required)
  } catch (error) {
    console.error(`assay verify: ${error instanceof Error ? error.message : error}\n\n${usage}`)
    return 2
  }
}

async function readArguments(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      log: { type: 'string', multiple: true },
      operators: { type: 'string' },
      headers: { type: 'string' },
      require: { type: 'string', default: 'signed' },
      'allow-local': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const [file, ...others] = positionals
  if (file === undefined || others.length > 0) throw new Error('name one proof file')
  const required = proofLevels.find(level => level === values.require)
  if (required === undefined) throw new Error(`--require ${values.require} is not a level`)
  const trust: Trust = {
    ...(values.log === undefined ? {} : { logs: new Set(values.log) }),
    ...(values.operators === undefined ? {} : { operators: await readKeys(values.operators) }),
    ...(values.headers === undefined
      ? {}
      : { headers: orThrow(readHeadersFile(await readFile(values.headers, 'utf8'))) }),
    allowLocal: values['allow-local'],
  }
  return { file, required: required satisfies ProofLevel, json: values.json, trust }
}

async function readKeys(file: string): Promise<Set<string>> {
  const lines = (await readFile(file, 'utf8')).split('\n').map(line => line.replace(/#.*/, '').trim())
  const keys = lines.filter(line => line !== '')
  const odd = keys.find(key => !/^0[23][0-9a-f]{64}$/.test(key))
  if (odd !== undefined)
    throw new Error(`${file} holds "${odd.slice(0, 80)}", which is not a compressed public key in hex`)
  return new Set(keys)
}

function inWords(verdict: ProofVerdict): string {
  if (verdict.kind !== 'valid')
    return `${verdict.kind.toUpperCase()}: ${verdict.fault.detail}${verdict.fault.pointer ? ` (at ${verdict.fault.pointer})` : ''}`
  const { event, stages, network } = verdict
  return [
    `${verdict.level.toUpperCase()}${network === 'local' ? ' (on a private chain)' : ''}: event ${event.eventId}, ${event.outcome}`,
    ...(verdict.shortfall === null ? [] : [`  not higher, because ${verdict.shortfall}`]),
    `  stream       ${event.stream}`,
    `  position     partition ${event.partition}, sequence ${event.seq}, source ${event.sourceId}`,
    `  log          ${verdict.log.key} (${verdict.log.listed ? 'listed' : 'not listed'})`,
    `  version      ${verdict.versionId}`,
    `  certificate  ${verdict.certificateTxid}, ${verdict.blockHeight === null ? 'no block proof' : `block ${verdict.blockHeight}`}, ${network}`,
    ...stages.map(
      ({ stage, asked, given, agreeing }) =>
        `  ${stage.padEnd(12)} ${asked} asked, ${given} answered, ${agreeing.length} agree (${agreeing.filter(({ listed }) => listed).length} listed)`,
    ),
    'Not checked:',
    ...verdict.notChecked.map(gap => `  ${gap}`),
  ].join('\n')
}
