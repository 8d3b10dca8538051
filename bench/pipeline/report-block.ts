import { summaryOf, tablesOf } from './printed.ts'
import type { PipelineReport } from './report.ts'

export const reportBegins =
  '<!-- A run writes what stands from here on: npm run bench -- --report docs/performance.md -->'
export const reportEnds = '<!-- to here. -->'

/** The page with this report in place of the one between its markers; without one, as it is. Undefined where there are no markers. */
export function withReport(page: string, report: PipelineReport | undefined): string | undefined {
  const [from, to] = [page.indexOf(reportBegins), page.indexOf(reportEnds)]
  if (from < 0 || to < from) return undefined
  if (report === undefined) return page
  return `${page.slice(0, from + reportBegins.length)}\n\n${inMarkdown(report)}\n\n${page.slice(to)}`
}

function inMarkdown(report: PipelineReport): string {
  const [command = '', machine = '', ...said] = summaryOf(report)
  const row = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const tables = tablesOf(report).map(({ title, head, rows }) =>
    [`### ${title}`, '', row(head), row(head.map(() => '---')).replaceAll(' ', ''), ...rows.map(row)].join(
      '\n',
    ),
  )
  const day = new Date(report.atMs).toISOString().slice(0, 10)
  return [`Of ${day}, by \`${command}\`.`, `${machine}.`, ...said.map(each => `${each}.`), ...tables].join(
    '\n\n',
  )
}
