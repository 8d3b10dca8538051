import { readFile, writeFile } from 'node:fs/promises'
import { measurePipeline } from '../pipeline.ts'
import { readPipelineOptions } from './options.ts'
import { pageOf } from './page.ts'
import { printedReport } from './printed.ts'
import { withReport } from './report-block.ts'

/** Where the report goes beside the terminal. */
type Outputs = { readonly json?: string; readonly page?: string; readonly report?: string }

/** Resolves to the exit code: 1 where something that was accepted is not certified once. */
export async function runPipeline(
  given: Readonly<Record<string, unknown>> & Outputs & { readonly quick: boolean },
): Promise<number> {
  const options = readPipelineOptions(given, given.quick)
  if (typeof options === 'string') {
    console.error(`assay bench: ${options}`)
    return 2
  }
  // Before minutes are spent on what could not be written.
  const page = given.report === undefined ? undefined : await readFile(given.report, 'utf8')
  if (page !== undefined && withReport(page, undefined) === undefined) {
    console.error(`assay bench: ${given.report} has no place for a report: its two markers are not there.`)
    return 2
  }
  const report = await measurePipeline(options, step => console.error(`assay bench: ${step} …`))
  console.log(printedReport(report))
  if (given.json !== undefined) await writeFile(given.json, `${JSON.stringify(report, null, 2)}\n`)
  if (given.page !== undefined) await writeFile(given.page, pageOf(report))
  if (given.report !== undefined && page !== undefined)
    await writeFile(given.report, withReport(page, report) ?? page)
  for (const loss of report.losses) console.error(`assay bench: ${loss}.`)
  return report.losses.length === 0 ? 0 : 1
}
