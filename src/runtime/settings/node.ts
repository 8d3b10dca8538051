import * as z from 'zod'
import { networks } from '../../core/network.ts'
import { listeningPort, reachableUrl, yesOrNo } from './kinds.ts'
import { optional, secret, setting } from './setting.ts'

/** Where a node listens, what it is called, and on which network it works. */
export const nodeSettings = {
  PORT: setting(listeningPort(), '8080', 'port of the HTTP server; 0 takes a free one'),
  ASSAY_HOST: setting(z.string().min(1), '127.0.0.1', 'address to listen on; 0.0.0.0 for every one'),
  ASSAY_NETWORK: setting(
    z.enum(networks, `none of ${networks.join(', ')}`),
    'local',
    'chain to work on: local, testnet or mainnet; local is a private one, without economic finality',
  ),
  ASSAY_DATA_DIR: setting(
    z.string().min(1),
    '.assay',
    'folder of the embedded database, of stored content and of the master key',
  ),
  ASSAY_MASTER_KEY: secret(
    z.string().regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hex digits'),
    'what the keys in the database are sealed with; without it the file master.key in the data folder, made at the first start',
  ),
  ASSAY_PUBLIC_URL: optional(
    reachableUrl(),
    'where others reach this node; without it, the local network is told the address that it listens on, and public ones are told nothing',
  ),
  ASSAY_NODE_NAME: setting(z.string().min(1).max(64), 'assay', 'name in health reports'),
  PORTAL_ENABLED: setting(yesOrNo(), 'true', 'whether the pages of the portal are served, under /portal/'),
  PORTAL_DIR: optional(
    z.string().min(1),
    'folder of a portal that somebody else has built; without it the one that this version was built with',
  ),
}
