import { spawnSync } from 'node:child_process'
import { chown, lchown, lstat, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from '../../../runtime/error-code.ts'

/** PostgreSQL refuses to run as root; this says as whom it runs, and how that is done. */
export type ServerUser = {
  /** The command line that runs this one as that user, in the place of the process that was started. */
  command(program: string, args: readonly string[]): readonly [string, readonly string[]]
  /** Makes what root has written the server's own. */
  own(folder: string): Promise<void>
}

/** How a server may be run when we are root. */
export type RootWay = 'namespace' | 'setuid'

/** Who runs a server whose files are, or will be, in `cluster`. */
export async function serverUser(cluster: string, ways: readonly RootWay[] = rootWays): Promise<ServerUser> {
  const me = process.getuid?.()
  const owner = await ownerOf(cluster)
  if (me === undefined) return asWeAre
  if (me !== 0) {
    if (owner !== undefined && owner.uid !== me)
      throw new Error(
        `The database in ${cluster} belongs to user ${owner.uid}, and this process runs as user ${me}. Start as ` +
          `that user, give the folder away with \`chown -R ${me}\`, or name another folder.`,
      )
    return asWeAre
  }
  if (owner !== undefined && owner.uid !== 0 && hasTool('setpriv')) return asUser(owner)
  if (ways.includes('namespace') && canMakeNamespaces()) return inNamespace
  if (ways.includes('setuid') && hasTool('setpriv')) return asUser(userFor('postgres') ?? nobody)
  throw new Error(
    'PostgreSQL refuses to run as root, and here is neither a way to give it a user namespace (unshare) nor to ' +
      'switch users (setpriv, both in util-linux). Run this as an ordinary user, or set DATABASE_URL.',
  )
}

export const rootWays: readonly RootWay[] = ['namespace', 'setuid']

type Ids = { readonly uid: number; readonly gid: number }

const asWeAre: ServerUser = {
  command: (program, args) => [program, args],
  own: async () => undefined,
}

// Only the numbers differ inside: on disk and for signals the server is still root, so nothing needs to change
// owner, and the folder may be one that only root can enter.
const namespaceArgs = ['--user', '--map-user=1000', '--map-group=1000']
const inNamespace: ServerUser = {
  command: (program, args) => ['unshare', [...namespaceArgs, program, ...args]],
  own: async () => undefined,
}

// The conventional numbers of nobody and nogroup, which need no entry anywhere.
const nobody: Ids = { uid: 65534, gid: 65534 }

function asUser({ uid, gid }: Ids): ServerUser {
  // Root's programs and folders may lie below one that only root can enter. The one capability kept lets the
  // server through; the securebit keeps access(2), which PostgreSQL asks, from forgetting it.
  const keep = ['--inh-caps', '+dac_override', '--ambient-caps', '+dac_override']
  const ids = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups']
  const setpriv = [...ids, ...keep, '--securebits', '+no_setuid_fixup']
  return {
    command: (program, args) => ['setpriv', [...setpriv, program, ...args]],
    own: folder => giveAway(folder, { uid, gid }),
  }
}

/** The folder itself last, so that an interrupted walk is seen and done again. */
async function giveAway(folder: string, ids: Ids): Promise<void> {
  if ((await stat(folder)).uid === ids.uid) return
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const inside = path.join(folder, entry.name)
    if (entry.isDirectory()) await giveAway(inside, ids)
    else await lchown(inside, ids.uid, ids.gid)
  }
  await chown(folder, ids.uid, ids.gid)
}

async function ownerOf(folder: string): Promise<Ids | undefined> {
  try {
    return await lstat(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

// Asking whether it exists is not enough: many containers have the program and forbid the system call.
function canMakeNamespaces(): boolean {
  return spawnSync('unshare', [...namespaceArgs, 'true'], { stdio: 'ignore' }).status === 0
}

function hasTool(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0
}

function userFor(name: string): Ids | undefined {
  const id = (flag: string) => spawnSync('id', [flag, name], { encoding: 'utf8' })
  const [uid, gid] = [id('-u'), id('-g')]
  return uid.status === 0 && gid.status === 0
    ? { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    : undefined
}
