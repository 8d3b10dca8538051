import type { FunctionComponent } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Notice } from '../parts/notice.tsx'
import { Connection } from './connection.tsx'
import type { PageProps } from './page-props.ts'
import { type Page, pages } from './pages.ts'
import { type Place, usePlace } from './place.ts'
import { usePulse } from './pulse.ts'
import { ThemeSwitch } from './theme-switch.tsx'

/** What is around every page: who is there, where one can go, and whether the node answers. */
export function Shell() {
  const place = usePlace()
  const pulse = usePulse()
  const [isOpen, setOpen] = useState(false)
  const page = pages.find(({ name }) => name === place.page)
  const where = `${place.page}/${place.rest.join('/')}`
  const first = useRef(true)
  const main = useRef<HTMLElement>(null)

  useEffect(() => {
    setOpen(false)
    document.title = page === undefined ? 'Assay' : `${page.title} · Assay`
    // Whoever listens to the page instead of looking at it is taken to what has changed.
    if (!first.current) main.current?.focus({ preventScroll: true })
    if (!first.current) scrollTo({ top: 0 })
    first.current = false
  }, [where])

  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header class="side">
        <div class="brand">
          <a href="#/" class="mark" aria-label="Assay, live">
            <Mark />
            <span>Assay</span>
          </a>
          <button
            type="button"
            class="menu-button"
            aria-expanded={isOpen}
            aria-controls="menu"
            onClick={() => setOpen(!isOpen)}
          >
            Menu
          </button>
        </div>
        <nav id="menu" aria-label="Pages" class={isOpen ? 'menu open' : 'menu'}>
          <ul>
            {pages.map(({ name, title }) => (
              <li key={name}>
                <a href={`#/${name}`} aria-current={page?.name === name ? 'page' : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="side-foot">
          <Connection pulse={pulse} />
          <ThemeSwitch />
        </div>
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {page === undefined ? (
          <Notice title="There is no such page">
            <a href="#/">Go to Live</a>
          </Notice>
        ) : (
          <Loaded key={page.name} page={page} place={place} />
        )}
      </main>
    </div>
  )
}

function Loaded({ page, place }: { readonly page: Page; readonly place: Place }) {
  const [shown, setShown] = useState<{ readonly Body: FunctionComponent<PageProps> } | string>()
  useEffect(() => {
    let isHere = true
    page.load().then(
      Body => isHere && setShown({ Body }),
      error => isHere && setShown(String(error)),
    )
    return () => {
      isHere = false
    }
  }, [page])
  if (shown === undefined) return <p class="quiet">Loading…</p>
  if (typeof shown === 'string')
    return (
      <Notice title="This page could not be fetched" kind="bad">
        The node may have been stopped, or replaced by another version: reload the portal. ({shown})
      </Notice>
    )
  return <shown.Body place={place} />
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="mark-ground" />
      <path
        d="M8 17.5l5 5L24.5 10"
        fill="none"
        stroke="#fff"
        stroke-width="3.4"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  )
}
