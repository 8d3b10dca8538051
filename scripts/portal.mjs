// Builds the portal: pages, each with what it needs and no more, named by their content. `node scripts/portal.mjs FOLDER`
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const root = path.join(import.meta.dirname, '..')
const folder = path.resolve(process.argv[2] ?? path.join(root, 'dist/web'))

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  metafile: true,
  platform: 'browser',
  target: 'es2022',
  conditions: ['source', 'browser'],
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  chunkNames: 'part-[hash]',
  outdir: path.join(folder, 'assets'),
  legalComments: 'none',
  logLevel: 'warning',
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const pages = await build({
  ...common,
  entryPoints: ['web/main.tsx', 'web/style/main.css'],
  format: 'esm',
  splitting: true,
  tsconfig: 'web/tsconfig.json',
})
// Before anything is painted, so it waits for nothing else.
const theme = await build({
  ...common,
  entryPoints: ['web/theme.ts'],
  format: 'iife',
  tsconfig: 'web/tsconfig.json',
})
cpSync(path.join(root, 'web/mark.svg'), path.join(folder, 'mark.svg'))

const named = { ...outputsByEntry(pages.metafile), ...outputsByEntry(theme.metafile) }
const html = readFileSync(path.join(root, 'web/index.html'), 'utf8').replace(/\{\{(.+?)\}\}/g, (_, entry) => {
  if (named[entry] === undefined)
    throw new Error(`web/index.html names ${entry}, which nothing was built from`)
  return named[entry]
})
writeFileSync(path.join(folder, 'index.html'), html)

function outputsByEntry({ outputs }) {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([file, { entryPoint }]) =>
      entryPoint === undefined ? [] : [[entryPoint, `assets/${path.basename(file)}`]],
    ),
  )
}
