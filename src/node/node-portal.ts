import { fileURLToPath } from 'node:url'
import type { NodeAppParts } from '../http/app.ts'
import { portalRoutes } from '../http/portal/portal-routes.ts'
import { readPortal } from '../http/portal/read-portal.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'

/** The pages that come with this node, read once. A node without them is a whole node. */
export async function openNodePortal(
  settings: Pick<Settings, 'PORTAL_ENABLED' | 'PORTAL_DIR'>,
  log: Log,
): Promise<NodeAppParts['routes']> {
  if (!settings.PORTAL_ENABLED) return []
  const folder = settings.PORTAL_DIR ?? builtPortal()
  const portal = await readPortal(folder)
  if (portal?.has('index.html')) return [portalRoutes(portal)]
  log.warn({ folder }, 'there is no portal here: npm run build makes it, and PORTAL_DIR names another one')
  return []
}

/** Beside what was built, wherever this runs from: dist/src/node, or src/node in a clone. */
function builtPortal(): string {
  const isBuilt = import.meta.url.endsWith('.js')
  return fileURLToPath(new URL(isBuilt ? '../../web' : '../../dist/web', import.meta.url))
}
