import { createTheme, type MantineColorsTuple } from '@mantine/core'

// The one accent: everything that can be pressed or is chosen. Colours of
// states are not in here, see styles.css.
const accent: MantineColorsTuple = [
  '#eef0fd',
  '#dadef8',
  '#b8bff1',
  '#98a2ec',
  '#7c88e6',
  '#626fdc',
  '#4d5bcb',
  '#3f4bb8',
  '#333d99',
  '#262e78',
]

export const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: { light: 7, dark: 6 },
  colors: {
    accent,
    dark: [
      '#e4e6e9',
      '#c3c8ce',
      '#a0a7b0',
      '#6f7781',
      '#454c55',
      '#2b3138',
      '#1c2025',
      '#15181c',
      '#0f1114',
      '#0a0c0e',
    ],
  },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Hiragino Sans", "Noto Sans JP", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace',
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  defaultRadius: 'sm',
  radius: { xs: '3px', sm: '5px', md: '7px', lg: '9px', xl: '12px' },
  autoContrast: true,
  cursorType: 'pointer',
  components: {
    Tooltip: { defaultProps: { openDelay: 250, fz: 12 } },
    Menu: { defaultProps: { shadow: 'md', withinPortal: true } },
    Popover: { defaultProps: { shadow: 'md' } },
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray' } },
  },
})

export const themeKey = 'hinomi-theme'
