import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** An address that stands for one server, and later for another, as a virtual IP or a name does. */
export type MovableAddress = {
  readonly port: number
  /** The same URL, at this address. */
  at(url: string): string
  /** Whoever comes from now on is led there. */
  moveTo(port: number): void
  /** Nothing comes from behind it any more, and nobody who is connected or comes is told so, as when a machine loses its power. */
  fallSilent(): void
  close(): Promise<void>
}

export async function movableAddress(first: number): Promise<MovableAddress> {
  let target: number | undefined = first
  const callers = new Set<Socket>()
  const behind = new Map<Socket, Socket>()

  function letGo(caller: Socket) {
    callers.delete(caller)
    behind.get(caller)?.destroy()
    behind.delete(caller)
  }
  const server = createServer(caller => {
    callers.add(caller)
    caller.on('error', () => caller.destroy()).on('close', () => letGo(caller))
    if (target === undefined) return
    const onward = connect(target, '127.0.0.1')
    behind.set(caller, onward)
    onward.on('error', () => onward.destroy())
    onward.on('close', () => {
      // Where it was cut, the caller does not hear of it.
      if (behind.get(caller) === onward) caller.destroy()
    })
    caller.pipe(onward)
    onward.pipe(caller)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    port,
    at(url) {
      const moved = new URL(url)
      moved.hostname = '127.0.0.1'
      moved.port = String(port)
      return moved.href
    },
    moveTo(to) {
      target = to
    },
    fallSilent() {
      target = undefined
      for (const [caller, onward] of behind) {
        caller.unpipe(onward)
        onward.unpipe(caller)
        behind.delete(caller)
        onward.destroy()
      }
    },
    close() {
      for (const caller of callers) caller.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}
