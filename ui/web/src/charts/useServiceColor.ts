import { useComputedColorScheme } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useMemo } from 'react'
import { getJSON } from '../api/http.ts'
import { assignColors, hash, seriesColor } from './colors.ts'

const url = '/api/v1/label/service/values'
const params = { 'match[]': 'traces_spanmetrics_calls_total' }

/** The colour of a service, the same on every page. */
export function useServiceColor(): (service: string) => string {
  const scheme = useComputedColorScheme('light')
  const { data } = useQuery({
    queryKey: ['service names'],
    queryFn: async ({ signal }) => (await getJSON<{ data: string[] | null }>(url, params, signal)).data ?? [],
    staleTime: 300_000,
    gcTime: Infinity,
  })
  const places = useMemo(() => assignColors(data ?? []), [data])
  return useCallback((service) => seriesColor(places.get(service) ?? hash(service), scheme), [places, scheme])
}
