// A checker that has gone blind reports success. So every import rule is broken here on purpose, in throw-away
// files, and the build fails unless the checker names each broken rule.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const plant = 'canary-of-the-import-rules'

/** Rule → the planted files that break it (path → content). */
const violations = {
  'no-cycles': {
    [`src/core/${plant}-a.ts`]: `import { b } from './${plant}-b.ts'\nexport const a = () => b`,
    [`src/core/${plant}-b.ts`]: `import { a } from './${plant}-a.ts'\nexport const b = () => a`,
  },
  'core-is-pure': { [`src/core/${plant}.ts`]: `import fs from 'node:fs'\nexport const seen = fs` },
  'only-node-files-import-node': {
    [`src/core/${plant}.node.ts`]: `import fs from 'node:fs'\nexport const seen = fs`,
  },
  'contract-knows-only-core': {
    [`src/contract/${plant}.ts`]: `import { PrivateKey } from '@bsv/sdk'\nexport const seen = PrivateKey`,
  },
  'stages-meet-in-the-database': {
    [`src/ingest/${plant}.ts`]: `import { seen } from '../certify/${plant}.ts'\nexport const again = seen`,
    [`src/certify/${plant}.ts`]: 'export const seen = 1',
  },
  'stages-declare-ports': {
    [`src/packets/${plant}.ts`]: `import { seen } from '../adapters/${plant}-target.ts'\nexport const again = seen`,
    [`src/adapters/${plant}-target.ts`]: 'export const seen = 1',
  },
  'adapters-see-ports-only-as-types': {
    [`src/adapters/${plant}.ts`]: `import { seen } from '../serve/${plant}.ts'\nexport const again = seen`,
    [`src/serve/${plant}.ts`]: 'export const seen = 1',
  },
  'topic-managers-are-deterministic': {
    [`topic-managers/${plant}.ts`]: `import fs from 'node:fs'\nexport const seen = fs`,
  },
  'lookup-services-own-their-index': {
    [`lookup-services/${plant}.ts`]: `import { seen } from '../src/adapters/${plant}-index.ts'\nexport const again = seen`,
    [`src/adapters/${plant}-index.ts`]: 'export const seen = 1',
  },
  'agents-run-without-the-node': {
    [`agents/kit/${plant}.ts`]: `import { seen } from '../../src/http/${plant}.ts'\nexport const again = seen`,
    [`src/http/${plant}.ts`]: 'export const seen = 1',
  },
  'agents-do-not-know-each-other': {
    [`agents/validator/${plant}.ts`]: `import { seen } from '../normalizer/${plant}.ts'\nexport const again = seen`,
    [`agents/normalizer/${plant}.ts`]: 'export const seen = 1',
  },
  'clients-run-anywhere': { [`src/client/${plant}.ts`]: `import fs from 'node:fs'\nexport const seen = fs` },
  'nobody-needs-the-client': {
    [`src/serve/${plant}-reader.ts`]: `import { seen } from '../client/${plant}-target.ts'\nexport const again = seen`,
    [`src/client/${plant}-target.ts`]: 'export const seen = 1',
  },
  'portal-asks-over-http': {
    [`web/${plant}.ts`]: `import { seen } from '../src/serve/${plant}-for-the-portal.ts'\nexport const again = seen`,
    [`src/serve/${plant}-for-the-portal.ts`]: 'export const seen = 1',
  },
  'nobody-needs-the-portal': {
    [`src/http/${plant}-of-the-portal.ts`]: `import { seen } from '../../web/${plant}-target.ts'\nexport const again = seen`,
    [`web/${plant}-target.ts`]: 'export const seen = 1',
  },
  'migrations-are-frozen': {
    [`migrations/${plant}.ts`]: `import { levels } from '../src/core/level.ts'\nexport const seen = levels`,
  },
  'nothing-imports-an-entry-point': {
    [`src/runtime/${plant}.ts`]: `import { seen } from '../bin/${plant}.ts'\nexport const again = seen`,
    [`src/bin/${plant}.ts`]: 'export const seen = 1',
  },
}

const configured = (await import('../.dependency-cruiser.cjs')).default.forbidden.map(rule => rule.name)
const untried = configured.filter(name => !(name in violations))
if (untried.length > 0)
  fail(`no violation is planted for: ${untried.join(', ')}. Add one to scripts/canary.mjs.`)

const planted = Object.assign({}, ...Object.values(violations))
const madeFolders = []
let reported
try {
  for (const [file, content] of Object.entries(planted)) {
    const made = fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    if (made !== undefined) madeFolders.push(made)
    fs.writeFileSync(path.join(root, file), `${content}\n`)
  }
  reported = cruise()
} finally {
  for (const file of Object.keys(planted)) fs.rmSync(path.join(root, file), { force: true })
  for (const folder of madeFolders.reverse()) fs.rmSync(folder, { recursive: true, force: true })
}

const blind = Object.entries(violations).filter(
  ([rule, files]) => !reported.some(({ name, from }) => name === rule && from in files),
)
if (blind.length > 0)
  fail(`the checker did not see the planted violation of: ${blind.map(([rule]) => rule).join(', ')}`)
console.log(`canary: all ${configured.length} import rules see their planted violation`)

function cruise() {
  const bin = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const args = [bin, ...Object.keys(planted), '--config', '.dependency-cruiser.cjs', '--output-type', 'json']
  const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  // Thrown, not exited: the planted files must go in any case.
  if (!done.stdout) throw new Error(`dependency-cruiser printed no report: ${done.stderr}`)
  return JSON.parse(done.stdout).summary.violations.map(({ rule, from }) => ({ name: rule.name, from }))
}

function fail(why) {
  console.error(`canary: ${why}`)
  process.exit(1)
}
