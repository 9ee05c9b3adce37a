import { useEffect, useRef } from 'react'
import { useRouter } from '@tanstack/react-router'
import { href } from '../../url/search.ts'
import { useSearch } from '../../url/useSearch.ts'
import { fromPrometheus } from './prometheusLink.ts'

/** Links of Prometheus' kind, which alerts carry: the same query on our page. */
export function PrometheusLink() {
  const router = useRouter()
  const { search } = useSearch()
  // Once: on the way out the search is already that of the other page.
  const first = useRef(search)
  useEffect(() => {
    router.history.replace(href('/explore/metrics', fromPrometheus(first.current)))
  }, [router])
  return null
}
