import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { commands } from '../../src/bin/commands.ts'
import { openMetrics } from '../../src/runtime/metrics.ts'
import { describeWith } from '../support/real-component.ts'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const rules = 'deploy/prometheus/alerts.yaml'

const ruleFile = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.union([
          z.object({ record: z.string(), expr: z.string() }).strict(),
          z
            .object({
              alert: z.string(),
              expr: z.string(),
              for: z.string().optional(),
              labels: z.object({ severity: z.enum(['page', 'ticket']) }).strict(),
              annotations: z.object({ summary: z.string(), action: z.string() }).strict(),
            })
            .strict(),
        ]),
      ),
    }),
  ),
})
const all = ruleFile.parse(parse(read(rules))).groups.flatMap(group => group.rules)
const alerts = all.flatMap(rule => ('alert' in rule ? [rule] : []))

describe(rules, () => {
  test('looks at metrics that there are', () => {
    const looked = new Set(all.flatMap(({ expr }) => expr.match(/\bassay_[a-z_]+/g) ?? []))
    const code = ['src/node', 'src/runtime']
      .flatMap(folder =>
        readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
          .filter(file => file.endsWith('.ts'))
          .map(file => read(`${folder}/${file}`)),
      )
      .join('\n')
    expect(looked.size).toBeGreaterThan(10)
    const isThere = (name: string) => code.includes(`'${name.replace(/_(?:bucket|count|sum)$/, '')}'`)
    expect([...looked].filter(name => !isThere(name))).toEqual([])
  })

  test('sees each series that a label picks from the start of a node, so that the first of its kind is growth', async () => {
    const shown = await openMetrics().registry.metrics()
    const picked = all.flatMap(({ expr }) =>
      [...expr.matchAll(/\b(assay_\w+_total)\{(\w+)=~?"([^"]+)"\}/g)].flatMap(([, name, label, values]) =>
        (values ?? '').split('|').map(value => `${name}{${label}="${value}"} 0`),
      ),
    )
    expect(picked.length).toBeGreaterThan(5)
    expect(picked.filter(sample => !shown.includes(`\n${sample}\n`))).toEqual([])
  })

  test('has a line in docs/alerts.md for each of its alerts, in the same order', () => {
    const told = [...read('docs/alerts.md').matchAll(/^\| (Assay\w+) \| (page|ticket) \|/gm)]
    expect(told.map(([, alert, severity]) => [alert, severity])).toEqual(
      alerts.map(({ alert, labels }) => [alert, labels.severity]),
    )
  })

  test('sends nobody to a command that is not there', () => {
    const named = alerts.flatMap(({ annotations }) => [...annotations.action.matchAll(/`assay ([a-z]+)/g)])
    expect(named.length).toBeGreaterThan(2)
    expect(named.map(([, name]) => name ?? '').filter(name => !commands.has(name))).toEqual([])
  })
})

const promtool = {
  name: 'promtool',
  available: spawnSync('promtool', ['--version']).status === 0,
  howToGet: 'It comes with Prometheus: apt-get install --no-install-recommends prometheus.',
}

describeWith(promtool, `${rules}, as Prometheus reads it`, () => {
  test.each([
    ['check', rules],
    ['test', rules.replace('.yaml', '.test.yaml')],
  ])('passes promtool %s rules', (what, file) => {
    const { status, stdout, stderr } = spawnSync('promtool', [what, 'rules', file], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(`${stdout}${stderr}`).toContain('SUCCESS')
    expect(status).toBe(0)
  })
})
