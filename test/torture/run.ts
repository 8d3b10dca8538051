import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makePlan } from './plan.ts'
import { plantedBugs } from './planted/bugs.ts'
import { plant } from './planted/plant.ts'
import { inTime, runPlan, type Violation } from './run-plan.ts'
import { troubles } from './troubles/index.ts'

const usage = `npm run torture -- [--seed N] [--minutes M] [--rate N] [--only kills,links,…] [--plan] [--patch NAME | --planted]

  --seed     decides everything; another one each time where nothing is said
  --minutes  so long troubles go on; 5
  --rate     events that each publisher sends a second, in the mean; 20
  --only     these troubles alone: ${troubles.map(({ name }) => name).join(', ')}
  --plan     says what would happen, and does nothing
  --patch    with this fault planted in a copy of the build, which has to be found
  --planted  the same with each of them in turn`

const built = fileURLToPath(new URL('../../dist/src/bin/assay.js', import.meta.url))
const say = (line: string) => void process.stdout.write(`${line}\n`)
const options = {
  seed: { type: 'string', default: String(Math.floor(Date.now() / 1_000)) },
  minutes: { type: 'string', default: '5' },
  rate: { type: 'string', default: '20' },
  only: { type: 'string' },
  plan: { type: 'boolean', default: false },
  patch: { type: 'string' },
  planted: { type: 'boolean', default: false },
} as const

/** Exit codes: 0 nothing is wrong, or every planted fault was found; 1 not so; 2 wrong usage. */
async function torture(): Promise<number> {
  const asked = readArguments()
  if (typeof asked === 'string') {
    say(`${asked}\n\n${usage}`)
    return 2
  }
  if (asked.bugs.length > 0) return findPlanted(asked)
  const { found, folder } = await runOnce(asked, asked.only, `${asked.again}${onlyOf(asked.only)}`)
  if (found.length === 0) await rm(folder, { recursive: true, force: true })
  return found.length === 0 ? 0 : 1
}

type Asked = Exclude<ReturnType<typeof readArguments>, string>

function readArguments() {
  const given = parseGiven()
  if (typeof given === 'string') return given
  const names = given.only?.split(',') ?? null
  const unknown = (names ?? []).filter(name => !troubles.some(trouble => trouble.name === name))
  if (unknown.length > 0) return `There is no trouble called ${unknown.join(' or ')}.`
  const bugs = plantedBugs.filter(({ name }) => given.planted || name === given.patch)
  if (given.patch !== undefined && bugs.length === 0)
    return `There is no planted fault of that name. There are:\n${plantedBugs.map(({ name }) => `  ${name}`).join('\n')}`
  const [seed, minutes, perSecond] = [Number(given.seed), Number(given.minutes), Number(given.rate)]
  if (!Number.isSafeInteger(seed) || !(minutes > 0) || !(perSecond > 0))
    return 'A seed is a whole number, and minutes and rate are more than nothing.'
  const again = `npm run torture -- --seed ${seed} --minutes ${given.minutes} --rate ${given.rate}`
  return {
    seed,
    seconds: Math.round(60 * minutes),
    perSecond,
    only: names,
    bugs,
    again,
    isPlanOnly: given.plan,
  }
}

function parseGiven() {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`
  }
}

/** Asked to end, it takes its processes and its disk along. */
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())

const onlyOf = (only: readonly string[] | null) => (only === null ? '' : ` --only ${only.join(',')}`)

/** Where nothing goes on for so long, it does not any more. */
const PLANTED_SETTLE_MS = 40_000

async function findPlanted(asked: Asked): Promise<number> {
  const missed: string[] = []
  for (const bug of asked.bugs) {
    const place = await mkdtemp(path.join(tmpdir(), 'assay-planted-'))
    const again = `${asked.again} --patch '${bug.name}'`
    const program = await plant(bug, place)
    const { found, folder } = await runOnce(asked, bug.only, again, [program], PLANTED_SETTLE_MS)
    if (stopping.signal.aborted) return 1
    const by = [...new Set(found.map(({ check }) => check))]
    const isFound = by.some(check => bug.foundBy.includes(check))
    say(`${isFound ? 'FOUND' : 'MISSED'} "${bug.name}"${by.length > 0 ? ` by ${by.join('; ')}` : ''}`)
    if (!isFound) missed.push(bug.name)
    for (const each of [place, folder]) await rm(each, { recursive: true, force: true })
  }
  say(`${asked.bugs.length - missed.length} of ${asked.bugs.length} planted faults were found`)
  return missed.length === 0 ? 0 : 1
}

async function runOnce(
  { seed, seconds, perSecond, isPlanOnly }: Asked,
  only: readonly string[] | null,
  again: string,
  program: readonly string[] = [built],
  settleMsMax?: number,
): Promise<{ readonly found: readonly Violation[]; readonly folder: string }> {
  const chosen = troubles.filter(({ name }) => only?.includes(name) ?? true)
  const plan = makePlan({ seed, seconds, perSecond, troubles: chosen })
  const folder = await mkdtemp(path.join(tmpdir(), 'assay-torture-'))
  await writeFile(path.join(folder, 'plan.json'), `${JSON.stringify(plan, undefined, 2)}\n`)
  say(`seed ${seed}, ${seconds} s, ${plan.troubles.length} troubles; plan and logs are in ${folder}`)
  if (isPlanOnly) {
    for (const planned of plan.troubles) say(inTime(planned))
    return { found: [], folder }
  }
  const found = await runPlan({
    ...{ plan, troubles: chosen, folder, program, checkedBy: [built], say },
    ...(settleMsMax !== undefined && { settleMsMax }),
    signal: stopping.signal,
  }).then(
    ({ violations, figures }) => {
      say(JSON.stringify(figures))
      return violations
    },
    // What keeps it from coming up, or from being looked at, is found as well.
    (error: unknown) => [
      { check: 'the run itself', what: error instanceof Error ? (error.stack ?? '') : `${error}` },
    ],
  )
  for (const { check, what } of found) say(`VIOLATION (${check}): ${what}`)
  say(found.length === 0 ? 'no violation' : `again: ${again}`)
  return { found, folder }
}

const code = await torture()
// What was stopped in its middle still waits for something.
process.exit(code)
