import { operatorFileOf } from '../../agents/kit/files.ts'
import { migrations } from '../../migrations/index.ts'
import {
  createKeyFile,
  type KeyFile,
  type KeyFileKind,
  keyFileKinds,
  keyInUse,
  readKeyFile,
  rotateKeyFile,
} from '../adapters/keys/key-file.ts'
import { type KeyHistory, keyNames, openKey, rotateKey } from '../adapters/keys/keyring.ts'
import { migrate } from '../adapters/postgres/migrate.ts'
import { openNodeDatabase } from '../node/node-database.ts'
import { keyringOf } from '../node/node-keys.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings } from '../runtime/settings.ts'
import { openStops } from '../runtime/stops.ts'
import { explain } from './explain.ts'
import { operatorWordFor } from './operator-word.ts'
import { readOptions } from './read-options.ts'

const usage = `assay keys show [--file FILE] [--json]          the keys of this database's nodes, or of a key file
assay keys create agent|operator --file FILE    a key of its own, for a process without a database
assay keys rotate node                          a new key for the nodes; start them again afterwards
assay keys rotate --file FILE                   a new key for an agent or operator
assay keys operator-word --operator FILE --agent FILE|KEY --days N
                                                what an agent shows of who answers for it, for AGENT_OPERATOR_FILE

Private keys are never printed. A log's key is not rotated: a new key is a new log.`

/** Exit codes: 0 done, 1 not possible, 2 wrong usage. */
export async function keys(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (asked === undefined) {
    console.error(usage)
    return 2
  }
  try {
    console.log(await carryOut(asked))
    return 0
  } catch (error) {
    console.error(`assay keys: ${explain(error)}`)
    return 1
  }
}

type Asked =
  | { readonly kind: 'create'; readonly of: KeyFileKind; readonly file: string; readonly json: boolean }
  | { readonly kind: 'word'; readonly operator: string; readonly agent: string; readonly days: number }
  | { readonly kind: 'show' | 'rotate'; readonly file: string | undefined; readonly json: boolean }

function read(args: readonly string[]): Asked | undefined {
  const called = readOptions(args, {
    file: { type: 'string' },
    json: { type: 'boolean', default: false },
    operator: { type: 'string' },
    agent: { type: 'string' },
    days: { type: 'string' },
  })
  if (called === undefined) return undefined
  const { values, positionals } = called
  const { file, json, operator, agent, days } = values
  const [what, of, ...more] = positionals
  const kind = keyFileKinds.find(each => each === of)
  if (more.length > 0) return undefined
  if (what === 'operator-word')
    return of === undefined && operator !== undefined && agent !== undefined && isDays(days)
      ? { kind: 'word', operator, agent, days: Number(days) }
      : undefined
  if (what === 'create' && kind !== undefined && file !== undefined)
    return { kind: 'create', of: kind, file, json }
  if (what === 'show' && of === undefined) return { kind: 'show', file, json }
  if (what === 'rotate' && (file === undefined ? of === 'node' : of === undefined))
    return { kind: 'rotate', file, json }
  return undefined
}

function isDays(text: string | undefined): text is string {
  return /^[1-9]\d{0,3}$/.test(text ?? '')
}

async function carryOut(asked: Asked): Promise<string> {
  if (asked.kind === 'word') return wordOf(asked)
  if (asked.kind === 'create')
    return inWords([ofFile(await createKeyFile(asked.file, asked.of, Date.now()))], asked.json)
  if (asked.file !== undefined) {
    const file =
      asked.kind === 'show' ? await readKeyFile(asked.file) : await rotateKeyFile(asked.file, Date.now())
    return inWords([ofFile(file)], asked.json)
  }
  return inWords(await onDatabase(asked.kind), asked.json)
}

/** For an agent of one's own its key file will do; of somebody else's the operator knows the identity key alone. */
async function wordOf({ operator, agent, days }: Extract<Asked, { kind: 'word' }>): Promise<string> {
  const answering = await readKeyFile(operator)
  if (answering.kind !== 'operator')
    throw new Error(`${operator} has the key of an ${answering.kind}, not of an operator`)
  const agentKey = isIdentityKey.test(agent) ? agent : keyInUse(await readKeyFile(agent)).identityKey
  return operatorFileOf(operatorWordFor(keyInUse(answering), agentKey, Date.now(), days))
}

const isIdentityKey = /^0[23][0-9a-f]{64}$/

/** What may be shown of keys: who they are, since when, and how each came from the one before. */
type Shown = { readonly name: string; readonly keys: readonly ShownKey[] }
type ShownKey = { readonly identityKey: string; readonly createdMs: number; readonly succession?: unknown }

async function onDatabase(what: 'show' | 'rotate'): Promise<Shown[]> {
  const log = openLog('warn', process.stderr)
  const stops = openStops(log)
  try {
    const settings = readSettings(process.env)
    const database = await openNodeDatabase(settings, log, stops)
    await migrate(database, migrations)
    const keyring = await keyringOf(settings, database.pool)
    if (what === 'rotate') return [ofHistory('node', await rotateKey('node', keyring))]
    const shown: Shown[] = []
    for (const name of keyNames) shown.push(ofHistory(name, await openKey(name, keyring)))
    return shown
  } finally {
    await stops.run()
  }
}

function ofHistory(name: string, history: KeyHistory): Shown {
  return { name, keys: history.map(publicPart) }
}

function ofFile({ kind, keys }: KeyFile): Shown {
  return { name: kind, keys: keys.map(publicPart) }
}

function publicPart({ identityKey, createdMs, succession }: ShownKey): ShownKey {
  return { identityKey, createdMs, ...(succession !== undefined && { succession }) }
}

function inWords(shown: readonly Shown[], json: boolean): string {
  if (json) return JSON.stringify(shown, undefined, 2)
  return shown
    .flatMap(({ name, keys }) =>
      [...keys]
        .reverse()
        .map(
          ({ identityKey, createdMs }, age) =>
            `${(age === 0 ? name : '').padEnd(9)}${identityKey}  since ${new Date(createdMs).toISOString()}${age === 0 ? '' : ', handed over'}`,
        ),
    )
    .join('\n')
}
