import { useState } from 'preact/hooks'
import { applyTheme, rememberedTheme, rememberTheme, type Theme, themes } from './theme-choice.ts'

export function ThemeSwitch() {
  const [chosen, setChosen] = useState(rememberedTheme)
  const choose = (theme: Theme) => {
    setChosen(theme)
    rememberTheme(theme)
    applyTheme(theme)
    // Plots are painted, and have to be painted again.
    dispatchEvent(new Event('assay-theme'))
  }
  return (
    <fieldset class="theme">
      <legend>Theme</legend>
      {themes.map(theme => (
        <label key={theme}>
          <input type="radio" name="theme" checked={chosen === theme} onChange={() => choose(theme)} />
          <span>{theme}</span>
        </label>
      ))}
    </fieldset>
  )
}
