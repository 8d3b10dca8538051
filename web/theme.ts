import { applyTheme, rememberedTheme } from './shell/theme-choice.ts'

applyTheme(rememberedTheme())
