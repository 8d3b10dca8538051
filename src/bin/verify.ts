import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { readHeadersFile } from '../contract/headers.ts'
import { exitCodeOf, type ProofVerdict, proofLevels, type Trust, verifyProof } from '../contract/verify.ts'

const usage = `assay verify <file.assay.json> [--log KEY]… [--operators FILE] [--headers FILE]
             [--require ${proofLevels.join('|')}] [--allow-local] [--json]

  --log        identity key of a log you trust; may be given more than once
  --operators  a file with the identity keys of the operators you trust, one a line
  --headers    a file of block headers you trust: {"network", "firstHeight", "headers": hex}
  --require    the level to reach (default: signed)`

/** Exit codes: 0 level reached, 1 invalid, 2 unreadable or wrong usage, 3 valid but below the level. */
export async function verify(args: readonly string[]): Promise<number> {
  const asked = readArguments(args)
  if (typeof asked === 'string') return complain(`${asked}\n\n${usage}`)
  const given = await readFiles(asked)
  if (typeof given === 'string') return complain(given)
  const verdict = verifyProof(given.proof, given.trust)
  console.log(asked.json ? JSON.stringify(verdict, undefined, 2) : inWords(verdict))
  return exitCodeOf(verdict, asked.required)
}

function complain(why: string): number {
  console.error(`assay verify: ${why}`)
  return 2
}

type Asked = Exclude<ReturnType<typeof readArguments>, string>

/** What was asked for, or what is wrong with the question. */
function readArguments(args: readonly string[]) {
  const parsed = parse(args)
  if (typeof parsed === 'string') return parsed
  const { values, positionals } = parsed
  const [file, ...others] = positionals
  if (file === undefined || others.length > 0) return 'name one proof file'
  const required = proofLevels.find(level => level === values.require)
  if (required === undefined) return `--require ${values.require} is not a level`
  return { ...values, file, required }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
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
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) return error.message
    throw error
  }
}

async function readFiles(asked: Asked): Promise<{ proof: string; trust: Trust } | string> {
  try {
    const proof = await readFile(asked.file, 'utf8')
    const operators = asked.operators && readKeys(await readFile(asked.operators, 'utf8'))
    const headers = asked.headers && readHeadersFile(await readFile(asked.headers, 'utf8'))
    if (typeof operators === 'string' && operators !== '') return `${asked.operators} ${operators}`
    if (typeof headers === 'object' && !headers.ok) return `${asked.headers}: ${headers.fault.detail}`
    const trust: Trust = {
      ...(asked.log && { logs: new Set(asked.log) }),
      ...(operators && { operators }),
      ...(headers && { headers: headers.value }),
      allowLocal: asked['allow-local'],
    }
    return { proof, trust }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return `cannot read a file: ${error.message}`
    throw error
  }
}

/** One identity key a line; the rest of a line after # is a remark. */
function readKeys(text: string): Set<string> | string {
  const keys = text
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(key => key !== '')
  const odd = keys.find(key => !/^0[23][0-9a-f]{64}$/.test(key))
  return odd === undefined
    ? new Set(keys)
    : `holds "${odd.slice(0, 80)}", which is not a compressed public key in hex`
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
