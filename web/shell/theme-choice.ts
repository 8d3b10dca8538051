export const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const KEY = 'assay.theme'

/** What was chosen here before; `auto` follows the system. */
export function rememberedTheme(): Theme {
  const remembered = whereAllowed(() => localStorage.getItem(KEY))
  return themes.find(theme => theme === remembered) ?? 'auto'
}

export function rememberTheme(theme: Theme): void {
  whereAllowed(() => localStorage.setItem(KEY, theme))
}

export function applyTheme(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}

function whereAllowed<T>(use: () => T): T | undefined {
  try {
    return use()
  } catch {
    // A browser that keeps nothing for pages: the choice holds until the page is left.
    return undefined
  }
}
