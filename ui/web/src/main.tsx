import '@mantine/core/styles.css'
import './app/styles.css'
import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/http.ts'
import { router } from './app/router.tsx'
import { theme, themeKey } from './app/theme.ts'
import { startI18n } from './i18n/index.ts'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Every refresh of the clock is a new key: old answers are of no use.
      gcTime: 60_000,
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      retry: (count, err) => err instanceof ApiError && ['offline', 'notReady'].includes(err.kind) && count < 3,
    },
  },
})

const colorScheme = localStorageColorSchemeManager({ key: themeKey })

await startI18n()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={colorScheme}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
