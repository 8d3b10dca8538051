/** A command that a page shows after `$ assay `, and what it says that it prints. */
export type ShownCommand = { readonly args: readonly string[]; readonly shown: string }

export function shownCommands(page: string): ShownCommand[] {
  return [...page.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    [...block.matchAll(/^\$ assay (.*)\n([^$]*)/gm)].map(([, command = '', shown = '']) => ({
      args: command.split(' '),
      shown,
    })),
  )
}

/** `…` stands for any text. */
export function asShown(shown: string): RegExp {
  const parts = shown.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`)
}
