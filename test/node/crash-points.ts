import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Every named place at which a process of ours may be killed, as the source has them: one that is new is tested by being
 * there. Names begin with the part they are in.
 */
export function crashPoints(): string[] {
  const found = new Set<string>()
  for (const folder of ['src', 'agents'])
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue
      for (const [, name = ''] of readFileSync(join(root, folder, file), 'utf8').matchAll(place))
        found.add(name)
    }
  return [...found].sort()
}

const place = /\b(?:crashPoint|at)\(\s*['"`]([a-z-]+\.[a-z-]+)['"`]\s*\)/g
const root = fileURLToPath(new URL('../..', import.meta.url))
