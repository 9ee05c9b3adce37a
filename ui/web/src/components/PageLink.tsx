import type { AnchorHTMLAttributes, MouseEvent } from 'react'
import { useRouter } from '@tanstack/react-router'
import { href } from '../url/search.ts'
import { useSearch } from '../url/useSearch.ts'

interface Props extends AnchorHTMLAttributes<HTMLAnchorElement> {
  to: string
  /** The page's own state; the time range comes along by itself. */
  search?: Record<string, string | undefined>
}

/** A link to a page of ours: a real address, without loading the document again. */
export function PageLink({ to, search, onClick, ...rest }: Props) {
  const router = useRouter()
  const { search: current } = useSearch()
  const target = href(to, search, current)
  const go = (e: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(e)
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    e.preventDefault()
    router.history.push(target)
  }
  return <a {...rest} href={target} onClick={go} />
}

/** Opens a page from code, such as a click on a chart. */
export function useGo() {
  const router = useRouter()
  return (to: string, search: Record<string, string | undefined> = {}) =>
    router.history.push(href(to, search, router.state.location.search as Record<string, string>))
}
