/** Lines over seconds; null where there is nothing to draw. */
export type Chart = {
  readonly title: string
  readonly unit: string
  readonly lines: readonly { readonly name: string; readonly points: readonly (number | null)[] }[]
  /** Seconds that the figures are of. */
  readonly measured: { readonly from: number; readonly to: number }
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [900, 260, 70, 10, 12, 46]

/** As SVG, in colours and dashes that the page defines: no line is told by its colour alone. */
export function chart({ title, unit, lines, measured }: Chart): string {
  const seconds = Math.max(1, ...lines.map(({ points }) => points.length - 1))
  const highest = Math.max(0, ...lines.flatMap(({ points }) => points.map(point => point ?? 0)))
  const ticks = ticksTo(highest)
  const top = ticks.at(-1) ?? 1
  const x = (second: number) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT)
  const y = (value: number) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM)
  const grid = ticks.map(
    tick =>
      `<path class="grid" d="M${LEFT} ${fixed(y(tick))}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${fixed(y(tick) + 4)}" text-anchor="end">${tick}</text>`,
  )
  const times = ticksTo(seconds)
    .filter(tick => tick <= seconds)
    .map(
      tick => `<text x="${fixed(x(tick))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tick} s</text>`,
    )
  const drawn = lines.map(({ points }, n) => `<path class="line l${n}" d="${pathOf(points, x, y)}"/>`)
  const legend = lines.map(({ name }, n) => {
    const at = LEFT + n * 160
    return `<path class="line l${n}" d="M${at} ${HEIGHT - 10}h24"/><text x="${at + 30}" y="${HEIGHT - 6}">${name}</text>`
  })
  const to = Math.min(measured.to, seconds)
  return `<h2>${title}</h2><figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}, in ${unit}, over ${seconds} seconds">
<rect class="measured" x="${fixed(x(measured.from))}" y="${TOP}" width="${fixed(Math.max(0, x(to) - x(measured.from)))}" height="${HEIGHT - TOP - BOTTOM}"/>
${[...grid, ...times, ...drawn, ...legend].join('\n')}
</svg></figure>`
}

function pathOf(
  points: readonly (number | null)[],
  x: (second: number) => number,
  y: (value: number) => number,
): string {
  let isDrawing = false
  return points
    .map((point, second) => {
      const command = isDrawing ? 'L' : 'M'
      isDrawing = point !== null
      return point === null ? '' : `${command}${fixed(x(second))} ${fixed(y(point))}`
    })
    .join('')
}

const STEPS = [1, 2, 5, 10]

/** From 0 to where `highest` has room, in about four round steps. */
export function ticksTo(highest: number): number[] {
  const rough = Math.max(highest, 1e-6) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * (STEPS.find(each => each * power >= rough) ?? 10)
  const count = Math.max(1, Math.ceil(highest / step))
  return Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(6)))
}

function fixed(value: number): string {
  return value.toFixed(1)
}
