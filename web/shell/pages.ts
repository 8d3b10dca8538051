import type { FunctionComponent } from 'preact'
import type { PageProps } from './page-props.ts'

export type Page = {
  readonly name: string
  readonly title: string
  /** Fetched when somebody goes there. */
  load(): Promise<FunctionComponent<PageProps>>
}

/** In the order of the menu. */
export const pages: readonly Page[] = [
  { name: '', title: 'Live', load: async () => (await import('../live/live-page.tsx')).LivePage },
  { name: 'events', title: 'Event', load: async () => (await import('../event/event-page.tsx')).EventPage },
  {
    name: 'verify',
    title: 'Verify',
    load: loadVerifyPage,
  },
  {
    name: 'feeds',
    title: 'Feeds and keys',
    load: async () => (await import('../feeds/feeds-page.tsx')).FeedsPage,
  },
  {
    name: 'streams',
    title: 'Streams and policies',
    load: async () => (await import('../streams/streams-page.tsx')).StreamsPage,
  },
  {
    name: 'agents',
    title: 'Agents',
    load: async () => (await import('../agents/agents-page.tsx')).AgentsPage,
  },
  {
    name: 'conflicts',
    title: 'Conflicts and quarantine',
    load: async () => (await import('../conflicts/conflicts-page.tsx')).ConflictsPage,
  },
  {
    name: 'system',
    title: 'System',
    load: async () => (await import('../system/system-page.tsx')).SystemPage,
  },
]

async function loadVerifyPage() {
  const { readWithoutEval } = await import('../verify/without-eval.ts')
  readWithoutEval()
  return (await import('../verify/verify-page.tsx')).VerifyPage
}
