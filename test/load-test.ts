/*
 * A load test by the variables that such a test has had from the first drafts on; docs/performance.md has what it measures:
 *   TARGET_THROUGHPUT=10000 DURATION=60 BATCH_SIZE=100 npx tsx test/load-test.ts
 * Further options of `npm run bench` may follow, as --clients 1000. Events go by HTTP, so KAFKA_BROKERS and KAFKA_TOPIC are not used.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { loadTestArguments } from './performance/load-test-arguments.ts'

const assay = fileURLToPath(new URL('../scripts/assay.mjs', import.meta.url))
const unused = ['KAFKA_BROKERS', 'KAFKA_TOPIC'].filter(name => process.env[name] !== undefined)
if (unused.length > 0)
  process.stderr.write(`load-test: ${unused.join(' and ')} not used: events go to the node by HTTP.\n`)
const args = [assay, 'bench', ...loadTestArguments(process.env), ...process.argv.slice(2)]
const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' })
if (error !== undefined) throw error
process.exitCode = status ?? 1
