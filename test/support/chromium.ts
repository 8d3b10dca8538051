import { accessSync, constants } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import type { RealComponent } from './real-component.ts'

const executable = [
  process.env['CHROMIUM_PATH'],
  ...['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find(path => path !== undefined && canRun(path))

export const aBrowser: RealComponent = {
  name: 'chromium',
  available: executable !== undefined,
  howToGet: 'Install Chromium (Debian: apt-get install chromium), or set CHROMIUM_PATH to one.',
}

export function openBrowser(): Promise<Browser> {
  if (executable === undefined) throw new Error(`There is no Chromium here. ${aBrowser.howToGet}`)
  // Where everything runs as root, in a container, its own sandbox cannot be made.
  return chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // Not there, or not for us: the next one is looked at.
    return false
  }
}
