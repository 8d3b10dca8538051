import { chart } from './chart.ts'
import { summaryOf, tablesOf } from './printed.ts'
import type { PipelineReport, Second } from './report.ts'

/** One file that needs nothing else: tables, and lines drawn over time. */
export function pageOf(report: PipelineReport): string {
  const { timeline, options } = report
  const line = (name: string, of: (second: Second) => number | null) => ({ name, points: timeline.map(of) })
  const measured = { from: options['warm-seconds'], to: options['warm-seconds'] + options.seconds }
  const charts = [
    chart({
      ...{ title: 'Events a second', unit: 'events/s', measured },
      lines: [line('accepted', each => each.accepted), line('certified', each => each.certified)],
    }),
    chart({
      ...{
        title: 'Milliseconds since an event was due, 95 of 100, by when it was due',
        unit: 'ms',
        measured,
      },
      lines: (['ack', 'feed', 'certified', 'verified'] as const).map(name =>
        line(name, ({ p95Ms }) => p95Ms[name]),
      ),
    }),
    chart({
      ...{ title: 'Cores in use', unit: 'cores', measured },
      lines: [
        line('node', each => each.nodeCores),
        line('PostgreSQL', each => each.postgresCores),
        line('agents', each => each.agentsCores),
        line('publishers, clients and the benchmark', each => each.besideCores),
      ],
    }),
    chart({
      ...{ title: 'Resident memory', unit: 'MB', measured },
      lines: [line('node', each => each.nodeMegabytes), line('nine agents', each => each.agentsMegabytes)],
    }),
  ]
  const tables = tablesOf(report).map(({ title, head, rows }) => {
    const cells = (tag: string, row: readonly string[]) =>
      `<tr>${row.map(cell => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`
    return `<h2>${escaped(title)}</h2><div class="wide"><table><thead>${cells('th', head)}</thead><tbody>${rows.map(row => cells('td', row)).join('')}</tbody></table></div>`
  })
  const [command = '', machine = '', ...said] = summaryOf(report)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Assay under load</title>
<style>${style}</style>
<h1>Assay under load</h1>
<p>${new Date(report.atMs).toISOString()}: <code>${escaped(command)}</code></p>
<p>${escaped(machine)}</p>
${said.map(each => `<p><strong>${escaped(each)}</strong></p>`).join('\n')}
${charts.join('\n')}
${tables.join('\n')}
</html>
`
}

const style = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1f24; --faint: #d5d9e0; --wash: #f1f3f6; --a: #0b62c4; --b: #b3400a; --c: #1a7a3c; --d: #8433a8 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --ink: #e4e7ec; --faint: #3a4049; --wash: #1e2329; --a: #6cb0ff; --b: #ff9a62; --c: #6ccf8e; --d: #d09af0 }
}
body { background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 1.5rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
code { overflow-wrap: anywhere } figure { margin: 0 } svg { width: 100%; height: auto } svg text { fill: var(--ink); font-size: 12px }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--faint); vertical-align: top }
.grid { stroke: var(--faint) } .measured { fill: var(--wash) } .line { fill: none; stroke-width: 1.8 }
.l0 { stroke: var(--a) } .l1 { stroke: var(--b); stroke-dasharray: 7 3 } .l2 { stroke: var(--c); stroke-dasharray: 2 3 } .l3 { stroke: var(--d); stroke-dasharray: 9 3 2 3 }
`

export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
