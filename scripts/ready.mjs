// Makes a fresh clone runnable: installs from the lockfile and builds, but only what is missing or out of date.
// npm start and npm test call it first. It is part of the command itself rather than a `pre…` script, because
// those do not run for people whose npm has ignore-scripts=true.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const at = name => path.join(import.meta.dirname, '..', name)
const read = file => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined)
const installedFor = at('node_modules/.installed-for')
const builtFrom = at('dist/.built-from')
const lock = at('.preparing')
const installHint =
  'Needed: Node 20.19 or newer, a reachable npm registry, and about 500 MB of free disk. Then run this again.'
const compileHint = 'The sources do not compile; mend what the messages point at, then run this again.'
const sourceFolders = ['src', 'agents', 'topic-managers', 'lookup-services', 'migrations', 'bench', 'web']

if (!isReady()) {
  while (!takeLock()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  try {
    if (!isReady()) prepare()
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

function isReady() {
  return isInstalled() && read(builtFrom) === buildKey()
}

/** By us, or by an `npm ci` of yours: npm writes its own list last, so a list that is there is complete. */
function isInstalled() {
  if (read(installedFor) === installKey()) return true
  const installed = read(at('node_modules/.package-lock.json'))
  if (installed === undefined) return false
  const { packages } = JSON.parse(installed)
  const wanted = Object.entries(JSON.parse(fs.readFileSync(at('package-lock.json'), 'utf8')).packages)
  if (
    wanted.some(([name, { version, optional }]) => name && !optional && packages[name]?.version !== version)
  )
    return false
  fs.writeFileSync(installedFor, installKey())
  return true
}

function prepare() {
  if (!isInstalled()) {
    say('installing packages (npm ci) …')
    // The build tools are part of running from a clone, also under NODE_ENV=production.
    npm('ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error')
    fs.writeFileSync(installedFor, installKey())
  }
  if (read(builtFrom) === buildKey()) return
  say('building …')
  // Built aside and swapped in: another process may be reading the old build right now.
  const fresh = at('dist.new')
  fs.rmSync(fresh, { recursive: true, force: true })
  const tsc = at('node_modules/typescript/bin/tsc')
  run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], compileHint)
  run(process.execPath, [at('scripts/portal.mjs'), path.join(fresh, 'web')], compileHint)
  fs.rmSync(at('dist'), { recursive: true, force: true })
  fs.renameSync(fresh, at('dist'))
  fs.writeFileSync(builtFrom, buildKey())
}

// Contents, not dates: a clone, a checkout and an archive set dates as they like.
function installKey() {
  const abi = `${process.platform} ${process.arch} ${process.versions.modules}`
  return createHash('sha256')
    .update(abi)
    .update(fs.readFileSync(at('package-lock.json')))
    .digest('hex')
}

function buildKey() {
  const sources = sourceFolders
    .filter(folder => fs.existsSync(at(folder)))
    .flatMap(folder => fs.readdirSync(at(folder), { recursive: true }).map(name => `${folder}/${name}`))
    .filter(name => /\.(tsx?|css|html|svg)$/.test(name))
    .sort()
  const configs = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'web/tsconfig.json']
  const inputs = [...configs, 'scripts/portal.mjs', ...sources]
  const key = createHash('sha256').update(installKey())
  for (const name of inputs) key.update(`${name}\n`).update(fs.readFileSync(at(name)))
  return key.digest('hex')
}

// The npm that started us; another package manager would ignore our lockfile.
function npm(...args) {
  const cli = process.env.npm_execpath ?? ''
  if (path.basename(cli) === 'npm-cli.js') run(process.execPath, [cli, ...args], installHint)
  else run('npm', args, installHint, { shell: process.platform === 'win32' })
}

function run(command, args, hint, more = {}) {
  // npm hands its options down as npm_config_*; one that shapes an install must not leak into ours.
  const leaks =
    /^npm_config_(omit|only|production|global|dry_run|package_lock_only|workspaces?|prefix|(global|local)_prefix)$/i
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !leaks.test(name)))
  const done = spawnSync(command, args, { cwd: at('.'), stdio: ['ignore', 2, 2], env, ...more })
  if (done.status === 0) return
  const why = done.error?.message ?? done.signal ?? `exit code ${done.status}`
  say(`\`${[path.basename(command), ...args].join(' ')}\` failed (${why}). Its own message is above.`)
  say(hint)
  fs.rmSync(lock, { force: true })
  process.exit(1)
}

// A link appears together with its content, so nobody reads half a lock; a dead owner's lock is removed.
function takeLock() {
  try {
    fs.symlinkSync(String(process.pid), lock)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  try {
    process.kill(Number(fs.readlinkSync(lock)), 0)
  } catch (error) {
    // ENOENT: the owner has just finished; the next look finds the project ready.
    if (error.code === 'ESRCH') fs.rmSync(lock, { force: true })
    else if (error.code !== 'ENOENT' && error.code !== 'EPERM') throw error
  }
  return false
}

function say(text) {
  process.stderr.write(`assay: ${text}\n`)
}
