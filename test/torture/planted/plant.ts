import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PlantedBug } from './bugs.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** A copy of the build with this fault in it. Resolves with its program. */
export async function plant({ name, file, find, replace }: PlantedBug, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  await cp(path.join(root, 'dist'), path.join(folder, 'dist'), { recursive: true })
  await cp(path.join(root, 'package.json'), path.join(folder, 'package.json'))
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  const target = path.join(folder, 'dist', 'src', file)
  await writeFile(target, planted(await readFile(target, 'utf8'), find, replace, `${name} (${file})`))
  return path.join(folder, 'dist', 'src', 'bin', 'assay.js')
}

/** Throws where the place is not there, or there more than once: a fault that was not planted is found by nobody. */
export function planted(text: string, find: string, replace: string, where: string): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`${where}: the place to change is there ${parts.length - 1} times`)
  return parts.join(replace)
}
