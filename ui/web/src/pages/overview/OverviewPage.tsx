import * as api from '../../api/hinomi.ts'
import { useLive } from '../../api/live.ts'
import { ErrorBox, Skeleton } from '../../components/Feedback.tsx'
import { useRange } from '../../time/useRange.tsx'
import { AlertList } from './AlertList.tsx'
import { Headline } from './Headline.tsx'
import { HinomiPanel } from './HinomiPanel.tsx'
import { ServiceGrid } from './ServiceGrid.tsx'
import { Teach } from './Teach.tsx'
import './overview.css'

/** How everything is, in one look. */
export function OverviewPage() {
  const { span, now, tick } = useRange()
  const { data, error } = useLive(['overview'], span, api.overview)
  if (error && !data) return <ErrorBox error={error} onRetry={tick} />
  if (!data) return <Loading />
  const empty = data.services.length === 0
  return (
    <>
      <Headline overview={data} />
      <div className="columns">
        {empty ? <Teach /> : <ServiceGrid services={data.services} />}
        <div className="stack">
          <AlertList alerts={data.alerts} now={now} />
          <HinomiPanel overview={data} />
        </div>
      </div>
    </>
  )
}

function Loading() {
  return (
    <>
      <Skeleton height={50} width="60%" />
      <div className="columns">
        <div className="service-grid">
          {Array.from({ length: 15 }, (_, i) => (
            <Skeleton key={i} height={104} />
          ))}
        </div>
        <div className="stack">
          <Skeleton height={160} />
          <Skeleton height={200} />
        </div>
      </div>
    </>
  )
}
