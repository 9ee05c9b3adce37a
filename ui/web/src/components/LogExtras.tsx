import type { LogRow } from '../api/loki.ts'

// Fields that stand elsewhere in the line, or that nobody reads at a glance.
const quiet =
  /^(detected_level|level|severity_|trace_id|span_id|trace_flags|flags|scope_|telemetry_|service_|observed_|deployment_|host_|process_|request_id)/

/** The fields that make one record differ from the next. */
export function LogExtras({ row }: { row: LogRow }) {
  const shown = Object.entries(row.fields).filter(([k]) => !quiet.test(k))
  return (
    <>
      {shown.slice(0, 6).map(([k, v]) => (
        <span key={k} className="log-extra">
          {k}=<b>{v.length > 60 ? `${v.slice(0, 60)}…` : v}</b>
        </span>
      ))}
    </>
  )
}
