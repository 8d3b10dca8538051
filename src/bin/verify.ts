import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import {
  exitCodeOf,
  type ProofVerdict,
  proofLevels,
  readHeadersFile,
  type Trust,
  verifyProof,
} from '../contract/verify.ts'
import { fromUtf8 } from '../core/bytes.ts'
import { FaultError } from '../core/fault.ts'

const usage = `assay verify <file.assay.json> [--log KEY]… [--operators FILE] [--headers FILE]
             [--require ${proofLevels.join('|')}] [--allow-local] [--json]

  --log        identity key of a log you trust; may be given more than once
  --operators  a file with the identity keys of the operators you trust, one a line
  --headers    a file of block headers you trust: {"network", "firstHeight", "headers": hex}
  --require    the level to reach (default: signed)`

/** Exit codes: 0 level reached, 1 invalid, 2 unreadable or wrong usage, 3 valid but below the level. */
export async function verify(args: readonly string[]): Promise<number> {
  const asked = readArguments(args)
  if (typeof asked === 'string') return complain(asked, '', ...usage.split('\n'))
  const given = await readFiles(asked)
  if (typeof given === 'string') return complain(given)
  const verdict = verifyProof(given.proof, given.trust)
  const lines = asked.json ? JSON.stringify(verdict, undefined, 2).split('\n') : inWords(verdict)
  console.log(lines.map(visible).join('\n'))
  return exitCodeOf(verdict, asked.required)
}

function complain(why: string, ...more: string[]): number {
  console.error([`assay verify: ${why}`, ...more].map(visible).join('\n'))
  return 2
}

/**
 * One line for the terminal. A sender's text may hold whatever moves a cursor or turns the writing round; escaped
 * as JSON escapes it, it is what it says.
 */
function visible(line: string): string {
  return line.replace(/\p{C}/gu, odd =>
    Array.from(
      { length: odd.length },
      (_, i) => `\\u${odd.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
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
  const odd = values.log?.find(key => !isKey(key))
  if (odd !== undefined) return `--log: ${notKey(odd)}`
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
    const proof = await readText(asked.file)
    const operators = asked.operators === undefined ? undefined : readKeys(await readText(asked.operators))
    const headers = asked.headers === undefined ? undefined : readHeadersFile(await readText(asked.headers))
    if (typeof operators === 'string') return `${asked.operators}: ${operators}`
    if (headers?.ok === false) return `${asked.headers}: ${headers.fault.detail}`
    const trust: Trust = {
      ...(asked.log && { logs: new Set(asked.log) }),
      ...(operators && { operators }),
      ...(headers && { headers: headers.value }),
      allowLocal: asked['allow-local'],
    }
    return { proof, trust }
  } catch (error) {
    if (error instanceof FaultError) return error.fault.detail
    if (error instanceof Error && 'syscall' in error) return `cannot read a file: ${error.message}`
    throw error
  }
}

/** Bytes that are not UTF-8 are refused: what stood for them in a text would be nobody's. */
async function readText(file: string): Promise<string> {
  const text = fromUtf8(await readFile(file))
  if (text === undefined) throw new FaultError({ code: 'json-unreadable', detail: `${file} is not UTF-8` })
  return text
}

/** One identity key a line; the rest of a line after # is a remark. */
function readKeys(text: string): Set<string> | string {
  const keys = text
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(key => key !== '')
  const odd = keys.find(key => !isKey(key))
  return odd === undefined ? new Set(keys) : notKey(odd)
}

function isKey(text: string): boolean {
  return /^0[23][0-9a-f]{64}$/.test(text)
}

function notKey(text: string): string {
  return `"${text.slice(0, 80)}" is not an identity key: a compressed public key, 66 lower-case hex digits`
}

function inWords(verdict: ProofVerdict): string[] {
  if (verdict.kind !== 'valid') {
    const { detail, pointer } = verdict.fault
    return [`${verdict.kind.toUpperCase()}: ${detail}${pointer ? ` (at ${pointer})` : ''}`]
  }
  const { event, stages, network } = verdict
  return [
    `${verdict.level.toUpperCase()}${network === 'local' ? ' (on a private chain)' : ''}: event ${event.eventId}, ${event.outcome}`,
    ...(verdict.shortfall === null ? [] : [`  not higher, because ${verdict.shortfall}`]),
    `  stream       ${event.stream}`,
    `  position     partition ${event.partition}, sequence ${event.seq}, source ${event.sourceId}`,
    `  log          ${verdict.log.key} (${verdict.log.listed ? 'listed' : 'not listed'})`,
    `  version      ${verdict.versionId}`,
    `  certificate  ${verdict.certificateTxid}, ${verdict.blockHeight === null ? 'in no block checked' : `block ${verdict.blockHeight}`}, ${network}`,
    `  level        ${verdict.certificationLevel}`,
    ...stages.map(
      ({ stage, asked, given, agreeing }) =>
        `  ${stage.padEnd(12)} ${asked} asked, ${given} answered, ${agreeing.length} agree (${agreeing.filter(({ listed }) => listed).length} listed)`,
    ),
    'Not checked:',
    ...verdict.notChecked.map(gap => `  ${gap}`),
  ]
}
