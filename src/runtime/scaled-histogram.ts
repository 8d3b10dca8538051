import { Histogram, type Registry } from 'prom-client'

/** A second name for a histogram, in a unit that is so many times as small. */
export function aliasHistogram(
  registry: Registry,
  { name, help, of, factor }: { name: string; help: string; of: Histogram; factor: number },
): Histogram {
  return new Alias(registry, name, help, of, factor)
}

class Alias extends Histogram {
  readonly #alias: string
  readonly #help: string
  readonly #of: Histogram
  readonly #factor: number

  constructor(registry: Registry, name: string, help: string, of: Histogram, factor: number) {
    super({ name, help, registers: [registry] })
    this.#alias = name
    this.#help = help
    this.#of = of
    this.#factor = factor
  }

  override async get(): ReturnType<Histogram['get']> {
    const original = await this.#of.get()
    const values = original.values.map(({ metricName, labels, value }) => ({
      value: metricName?.endsWith('_sum') === true ? value * this.#factor : value,
      metricName: `${this.#alias}${metricName?.slice(original.name.length) ?? ''}`,
      labels: {
        ...labels,
        ...(typeof labels['le'] === 'number' && { le: labels['le'] * this.#factor }),
      },
    }))
    return { ...original, name: this.#alias, help: this.#help, values }
  }
}
