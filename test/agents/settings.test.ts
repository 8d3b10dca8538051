import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { agentSettingList, readAgentSettings } from '../../agents/kit/settings.ts'

describe('the settings of an agent', () => {
  test('are those that docs/agents.md lists, with their defaults', () => {
    const page = readFileSync(new URL('../../docs/agents.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$/gm)].map(
      ([, name, fallback, about]) => ({
        name,
        fallback,
        about,
      }),
    )
    expect(rows).toEqual(
      agentSettingList.map(({ name, fallback, about }) => ({
        name,
        fallback: fallback === undefined ? '' : fallback === '' ? 'none' : `\`${fallback}\``,
        about,
      })),
    )
  })

  test('are refused together, each with its name', () => {
    expect(() => readAgentSettings({ AGENT_PORT: 'http', AGENT_LOGS: '02', AGENT_NODES: 'node' })).toThrow(
      /AGENT_PORT.*AGENT_NODES.*AGENT_LOGS/s,
    )
  })
})
