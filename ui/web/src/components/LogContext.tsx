import { useQuery } from '@tanstack/react-query'
import { ListFilter } from 'lucide-react'
import { logsAround, streamOf, type LogRow } from '../api/loki.ts'
import { levelColor, levelOf } from '../charts/colors.ts'
import { preciseTime, utc } from '../format/time.ts'
import { useText } from '../i18n/index.ts'
import { absolute } from '../time/range.ts'
import { ErrorBox, Skeleton } from './Feedback.tsx'
import { LogExtras } from './LogExtras.tsx'
import { PageLink } from './PageLink.tsx'

const rowsEachSide = 25
/** As the list's in logs.css, with the line above it. */
const contextHeight = 352

/** What the same stream said before and after a record. */
export function LogContext({ row }: { row: LogRow }) {
  const { t } = useText()
  const stream = streamOf(row.labels)
  const { data, error, refetch } = useQuery({
    queryKey: ['log context', stream, row.ts, row.line],
    queryFn: ({ signal }) => logsAround(row, rowsEachSide, signal),
  })
  if (error && !data) return <ErrorBox error={error} onRetry={() => void refetch()} />
  if (!data) return <Skeleton height={contextHeight} />
  const { before, after } = data
  const all = [...before, row, ...after]
  return (
    <section className="log-context">
      <div className="row">
        <span className="muted grow log-context-of" title={stream}>
          {t('logs.contextOf', { before: before.length, after: after.length })} <code>{stream}</code>
        </span>
        <PageLink
          className="button"
          to="/explore/logs"
          search={{ ...absolute({ from: all[0]!.ms, to: all.at(-1)!.ms + 1 }), q: stream }}
        >
          <ListFilter size={14} />
          {t('logs.contextOpen')}
        </PageLink>
      </div>
      <ol ref={toMiddle} tabIndex={0} aria-label={t('logs.context')}>
        {all.map((r, i) => (
          <ContextLine key={i} row={r} here={i === before.length} />
        ))}
      </ol>
    </section>
  )
}

/** Scrolls the record itself to the middle when the list appears. */
function toMiddle(list: HTMLOListElement | null) {
  const here = list?.querySelector<HTMLElement>('[aria-current]')
  if (list && here) list.scrollTop = here.offsetTop - list.clientHeight / 2
}

function ContextLine({ row, here }: { row: LogRow; here: boolean }) {
  const { locale } = useText()
  const level = levelOf(row.fields.detected_level ?? row.fields.level ?? row.labels.level)
  return (
    <li className="log-context-line" aria-current={here ? 'true' : undefined}>
      <i className="log-level" style={{ background: levelColor[level] }} />
      <time className="log-time" title={utc(row.ms)}>
        {preciseTime(row.ms, locale)}
      </time>
      <span className={`log-level-text log-${level}`}>{level === 'unknown' ? '' : level}</span>
      <span className="log-text">
        {row.line}
        <LogExtras row={row} />
      </span>
    </li>
  )
}
