import { anything, list, number, object, type Read, record, text } from './shapes.ts'

/** `/metrics` in JSON: what this node has counted, since it was started where it is not said otherwise. */
export const readMetrics = list(
  object({
    name: text,
    help: text,
    type: text,
    values: list(object({ value: number, labels: record(anything), metricName: optionalText })),
  }),
)

export type Metrics = Read<typeof readMetrics>

/** Over all labels. Undefined: this node counts nothing of that name. */
export function sumOf(metrics: Metrics, name: string): number | undefined {
  return metrics.find(each => each.name === name)?.values.reduce((sum, { value }) => sum + value, 0)
}

export function valuesOf(metrics: Metrics, name: string): Metrics[number]['values'] {
  return metrics.find(each => each.name === name)?.values ?? []
}

/** Of a histogram: how many, and the mean. */
export function meanOf(metrics: Metrics, name: string): { count: number; mean: number } | undefined {
  const values = valuesOf(metrics, name)
  const of = (suffix: string) =>
    values
      .filter(({ metricName }) => metricName === `${name}_${suffix}`)
      .reduce((sum, { value }) => sum + value, 0)
  const many = of('count')
  return many === 0 ? undefined : { count: many, mean: of('sum') / many }
}

function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
