import { useCallback } from 'react'
import { useRouter, useRouterState } from '@tanstack/react-router'
import { stringifySearch, type Search } from './search.ts'

/** The page's state, which is its query string. */
export function useSearch() {
  const router = useRouter()
  const search = useRouterState({ select: (s) => s.location.search as Search })
  const setSearch = useCallback(
    (patch: Record<string, string | undefined>, options: { replace?: boolean } = {}) => {
      const { pathname, search: current } = router.state.location
      const next = pathname + stringifySearch({ ...(current as Search), ...patch })
      if (next === router.state.location.href) return
      if (options.replace) router.history.replace(next)
      else router.history.push(next)
    },
    [router],
  )
  return { search, setSearch }
}
