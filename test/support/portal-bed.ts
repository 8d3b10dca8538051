import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { expect } from 'vitest'
import * as z from 'zod'
import { type AgentsBed, agentsBed } from './agents-bed.ts'
import { openBrowser } from './chromium.ts'
import { until } from './until.ts'

/** A node with its agents, the portal as it is built from these sources, and a browser that looks at it. */
export type PortalBed = {
  readonly node: AgentsBed
  /** A person of its own; nothing that goes wrong on a page is passed over. */
  visit(options?: Parameters<Browser['newContext']>[0]): Promise<Visit>
  stop(): Promise<void>
}

export type Visit = {
  readonly page: Page
  readonly context: BrowserContext
  /** Errors in the console, exceptions, and what the content security policy has stopped. */
  readonly troubles: readonly string[]
  /** Paths that were asked for, of any host. */
  readonly asked: readonly string[]
  go(place: string): Promise<void>
  /** Resolves once nothing on the page says that it is being fetched. */
  settled(): Promise<void>
  /** How long the page took until it would have answered a key, from when its address was asked for. */
  interactive(): Promise<Interactive>
  leave(): Promise<void>
}

export type Interactive = {
  /** Until its heading was on the screen and whatever was at work then had made way. */
  readonly ms: number
  /** How long the key that was pressed then waited. */
  readonly keyDelayMs: number
}

export const operatorToken = 'a-token-of-the-operator'

export async function portalBed(): Promise<PortalBed> {
  const folder = mkdtempSync(path.join(tmpdir(), 'assay-portal-'))
  buildPortal(folder)
  const node = await agentsBed({
    settings: { PORTAL_DIR: folder, ADMIN_TOKEN: operatorToken },
  })
  const browser = await openBrowser()
  return {
    node,
    visit: options => visit(browser, node.url, options),
    async stop() {
      await browser.close()
      await node.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function buildPortal(folder: string): void {
  const program = fileURLToPath(new URL('../../scripts/portal.mjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [program, folder], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the portal was not built:\n${stderr}`)
}

async function visit(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Visit> {
  const context = await browser.newContext(options)
  // Of a machine that has other things to do, too.
  context.setDefaultTimeout(120_000)
  const page = await context.newPage()
  const [troubles, asked]: [string[], string[]] = [[], []]
  await page.addInitScript(noteInteractive)
  page.on('pageerror', error => void troubles.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') troubles.push(message.text())
  })
  page.on('request', request => void asked.push(new URL(request.url()).pathname))
  return {
    ...{ page, context, troubles, asked },
    async go(place) {
      await page.goto(`${url}/portal/#/${place}`)
      await page.locator('main h1').waitFor()
    },
    async settled() {
      await until(async () => (await page.getByText('Loading…').count()) === 0)
    },
    async interactive() {
      await page.keyboard.press('Tab')
      const ms = await until(() => page.evaluate<number | undefined>('globalThis.assayInteractiveMs'))
      const keyDelayMs = await until(() => page.evaluate<number | undefined>('globalThis.assayKeyDelayMs'))
      return { ms, keyDelayMs }
    },
    leave: () => context.close(),
  }
}

/**
 * Once the heading of a page is there, the next frame is painted, and then a task of its own has had its turn: so long a key would have
 * waited. As text: the types of a page's own globals are not those of this file.
 */
const noteInteractive = `(() => {
  const seen = new MutationObserver(() => {
    if (document.querySelector('main h1') === null) return
    seen.disconnect()
    requestAnimationFrame(() => setTimeout(() => { globalThis.assayInteractiveMs = performance.now() }))
  })
  seen.observe(document, { childList: true, subtree: true })
  new PerformanceObserver(list => {
    const [first] = list.getEntries()
    globalThis.assayKeyDelayMs ??= first.processingStart - first.startTime
  }).observe({ type: 'first-input', buffered: true })
})()`

const axe = readFileSync(
  fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url)),
  'utf8',
)
const found = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      impact: z.string().nullable(),
      nodes: z.array(z.object({ html: z.string() })),
    }),
  ),
})

/** What keeps people from using a page, as axe finds it: serious and critical. */
export async function barriers(page: Page): Promise<string[]> {
  // Run by the debugger, which the page's own policy does not bind.
  const said = await page.evaluate(`${axe}; axe.run(document)`)
  return found
    .parse(said)
    .violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`))
}

/** How far a page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
}

/** The same for figures, which are printed in any case. */
export function figures(name: string, lines: readonly string[]): void {
  const text = `${lines.join('\n')}\n`
  process.stdout.write(text)
  const folder = process.env['ASSAY_SCREENSHOTS']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, `${name}.txt`), text)
}

/** Left for people to look at, where ASSAY_SCREENSHOTS names a folder. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['ASSAY_SCREENSHOTS']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true })
  expect(name).toMatch(/^[a-z0-9-]+$/)
}
