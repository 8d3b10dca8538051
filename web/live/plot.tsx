import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'

export type Line = {
  readonly label: string
  /** A custom property of the stylesheet. */
  readonly color: string
  readonly values: readonly (number | null)[]
  readonly fill?: boolean
  /** Not every second has a value: those that have one are joined. */
  readonly isSparse?: boolean
}

/** A plot over time; what is not known is left blank. The same is written beside it for whoever does not see it. */
export function Plot(props: {
  readonly label: string
  readonly seconds: readonly number[]
  readonly lines: readonly Line[]
  readonly unit: string
}) {
  const { label, seconds, lines, unit } = props
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const data = [seconds, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData
  const shown = useRef(data)
  shown.current = data

  useEffect(() => {
    const target = box.current
    if (target === null) return
    const make = () => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsFor(target, lines, unit), shown.current, target)
    }
    make()
    const sizing = new ResizeObserver(() =>
      plot.current?.setSize({ width: target.clientWidth, height: HEIGHT }),
    )
    sizing.observe(target)
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', make)
    addEventListener('assay-theme', make)
    return () => {
      sizing.disconnect()
      system.removeEventListener('change', make)
      removeEventListener('assay-theme', make)
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [])
  useEffect(() => plot.current?.setData(data))

  return (
    <figure class="plot">
      <figcaption>
        <span class="plot-title">{label}</span>
        <span class="plot-key">
          {lines.map(line => (
            <span key={line.label} class="plot-line">
              <i style={{ background: `var(${line.color})` }} />
              {line.label}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={box} class="plot-box" role="img" aria-label={`${label}: ${said(lines, unit)}`} />
    </figure>
  )
}

const HEIGHT = 168

/** So that no two marks of an axis are rounded to the same. */
const STEPS = [0.1, 0.2, 0.5]
  .flatMap(step => Array.from({ length: 9 }, (_, i) => step * 10 ** i))
  .sort((a, b) => a - b)

function optionsFor(target: HTMLElement, lines: readonly Line[], unit: string): uPlot.Options {
  const color = colorsAt(target)
  const axis = {
    stroke: color('--ink-2'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: target.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    padding: [8, 6, 0, 0],
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] } },
    axes: [
      {
        ...axis,
        space: 90,
        size: 28,
        values: (_, splits) =>
          splits.map(second => new Date(second * 1000).toLocaleTimeString(undefined, { hour12: false })),
      },
      {
        ...axis,
        size: 44,
        incrs: [...STEPS],
        values: (_, splits) => splits.map(each => `${shortNumber(each)}${unit}`),
      },
    ],
    series: [
      {},
      ...lines.map(line => ({
        stroke: color(line.color),
        width: 1.6,
        points: { show: line.isSparse ?? false, size: 4, fill: color(line.color), stroke: color(line.color) },
        ...(line.fill && { fill: color(line.color).replace(/^rgb\((.+)\)$/, 'rgba($1, 0.12)') }),
        spanGaps: line.isSparse ?? false,
      })),
    ],
  }
}

/** As they are in the theme that holds; a property itself would still say both. */
function colorsAt(target: HTMLElement): (name: string) => string {
  const probe = document.createElement('i')
  return name => {
    probe.style.color = `var(${name})`
    target.append(probe)
    const { color } = getComputedStyle(probe)
    probe.remove()
    return color
  }
}

function shortNumber(value: number): string {
  if (value >= 10_000) return `${Math.round(value / 1000)}k`
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value))
}

function said(lines: readonly Line[], unit: string): string {
  return lines
    .map(({ label, values }) => {
      const last = values.findLast(value => value !== null)
      return `${label} ${last === undefined || last === null ? 'not yet known' : `${shortNumber(last)}${unit}`}`
    })
    .join(', ')
}
