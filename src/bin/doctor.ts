import { checkUp } from '../node/check-up.ts'
import type { Finding } from '../node/finding.ts'
import { openNodeDatabase } from '../node/node-database.ts'
import { openLog } from '../runtime/log.ts'
import { readSettings, SettingsError } from '../runtime/settings.ts'
import { openStops } from '../runtime/stops.ts'
import { explain } from './explain.ts'
import { readOptions } from './read-options.ts'

const usage = `assay doctor [--deep] [--json]    looks at everything a node stands on, and says what is wrong and what to do

It runs beside the nodes and changes nothing. --deep reads every event, and makes every packet again.`

/** Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage. */
export async function doctor(args: readonly string[]): Promise<number> {
  const asked = read(args)
  if (asked === undefined) {
    console.error(usage)
    return 2
  }
  const log = openLog('silent')
  const stops = openStops(log)
  try {
    const settings = readSettings(process.env)
    const findings: Finding[] = []
    const looks = checkUp(settings, () => openNodeDatabase(settings, log, stops), {
      deep: asked.deep,
      now: Date.now,
    })
    for await (const finding of looks) {
      findings.push(finding)
      if (!asked.json) console.log(inWords(finding))
    }
    if (asked.json) console.log(JSON.stringify(findings, undefined, 2))
    return findings.some(({ state }) => state === 'wrong') ? 1 : 0
  } catch (error) {
    console.error(`assay doctor: ${error instanceof SettingsError ? error.message : explain(error)}`)
    return 1
  } finally {
    await stops.run()
  }
}

function read(args: readonly string[]): { readonly deep: boolean; readonly json: boolean } | undefined {
  const called = readOptions(args, {
    deep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  return called?.positionals.length === 0 ? called.values : undefined
}

function inWords({ name, state, seen, move }: Finding): string {
  const mark = { ok: 'ok', wrong: 'WRONG', 'not looked at': '-' }[state]
  return `${mark.padEnd(6)}${name}: ${seen}${move === undefined ? '' : `\n      ${move}`}`
}
