import { useEffect, useReducer } from 'react'
import { labelNames, tailRows, tailUrl, type TailMessage } from '../../api/loki.ts'
import { streamLabels } from './query.ts'
import { emptyTail, maxTailRows, tailReducer, type TailState } from './tail.ts'

/** Lines of the past that a tail begins with. */
const firstRows = 500
const past = 15 * 60_000
/** What a new connection repeats, for lines that were on their way. */
const overlap = 10_000
const firstRetry = 1000
const lastRetry = 15_000

/** Lines as they arrive, over a connection that is opened again when it is lost. */
export function useTail(logql: string, enabled: boolean): [TailState, (paused: boolean) => void] {
  const [state, dispatch] = useReducer(tailReducer, emptyTail)
  useEffect(() => {
    if (!enabled) return
    dispatch({ type: 'reset' })
    let socket: WebSocket | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let ended = false
    let retry = firstRetry
    let newest = 0
    const connect = (names: ReadonlySet<string>) => {
      const again = newest > 0
      socket = new WebSocket(
        again ? tailUrl(logql, newest - overlap, maxTailRows) : tailUrl(logql, Date.now() - past, firstRows),
      )
      let first = again
      socket.onopen = () => {
        retry = firstRetry
        dispatch({ type: 'connected', connected: true })
      }
      socket.onmessage = (e: MessageEvent<string>) => {
        const message = JSON.parse(e.data) as TailMessage
        const rows = tailRows(message, names)
        newest = Math.max(newest, rows[0]?.ms ?? 0)
        dispatch({ type: 'rows', rows, dropped: message.dropped_entries?.length ?? 0, again: first })
        first = false
      }
      socket.onclose = () => {
        if (ended) return
        dispatch({ type: 'connected', connected: false })
        timer = setTimeout(() => connect(names), retry)
        retry = Math.min(retry * 2, lastRetry)
      }
    }
    const now = Date.now()
    // Without the names of the labels the usual ones serve.
    void labelNames({ from: now - past, to: now })
      .catch((): string[] => [])
      .then((names) => {
        if (!ended) connect(new Set([...streamLabels, ...names]))
      })
    return () => {
      ended = true
      clearTimeout(timer)
      socket?.close()
    }
  }, [logql, enabled])
  return [state, (paused) => dispatch({ type: 'pause', paused })]
}
