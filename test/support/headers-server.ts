import { headerHash, previousOf, rootOf, timeOf } from '../../src/adapters/chain/block.ts'
import { hashText } from '../../src/contract/transaction.ts'
import type { MadeBlock, MadeNetwork } from './made-network.ts'
import { type Reply, type SmallServer, smallServer } from './small-server.ts'

export type HeadersServer = SmallServer & {
  /** What it was asked, path and query. */
  readonly asked: string[]
  readonly token: string
  /** Answers instead of it, where it says something. */
  instead: (path: string) => Reply | undefined
}

/**
 * A Block Headers Service as its specification describes it: headers by height, of all branches and in no order, with
 * numbers that JSON readers lose digits of; nothing without the token.
 */
export async function headersServer(network: MadeNetwork): Promise<HeadersServer> {
  const token = 'a-token-of-the-header-service'
  const asked: string[] = []
  const server = await smallServer(({ url = '', headers: { authorization } }) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    if (authorization !== `Bearer ${token}`)
      return { status: 401, body: '{"code":"ErrInvalidAccessToken","message":"invalid access token"}' }
    asked.push(url)
    const instead = served.instead(pathname)
    if (instead !== undefined) return instead
    if (pathname === '/api/v1/chain/tip/longest') return { status: 200, body: tipJson(network.tip) }
    if (pathname !== '/api/v1/chain/header/byHeight') return { status: 404, body: '{}' }
    const from = Number(searchParams.get('height'))
    const before = from + Number(searchParams.get('count') ?? '1')
    const blocks = [...network.blocks.values()].filter(({ height }) => height >= from && height < before)
    return { status: 200, body: `[${blocks.reverse().map(headerJson).join(',')}]` }
  })
  const served: HeadersServer = { ...server, asked, token, instead: () => undefined }
  return served
}

export function headerJson({ header }: Pick<MadeBlock, 'header'>): string {
  const view = new DataView(header.buffer, header.byteOffset)
  const members = {
    hash: headerHash(header),
    version: view.getInt32(0, true),
    prevBlockHash: previousOf(header),
    merkleRoot: rootOf(header),
    creationTimestamp: timeOf(header),
    difficultyTarget: view.getUint32(72, true),
    nonce: view.getUint32(76, true),
    work: hashText(header.subarray(0, 32)),
  }
  return JSON.stringify(members)
}

export function tipJson(block: Pick<MadeBlock, 'header' | 'height'>): string {
  const work = '1234567890123456789012345678901234567890'
  return `{"header":${headerJson(block)},"state":"LONGEST_CHAIN","chainWork":${work},"height":${block.height}}`
}
