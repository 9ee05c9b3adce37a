import { Snippet } from '../../components/Snippet.tsx'
import { useText } from '../../i18n/index.ts'

/** What to type when nothing is there yet, with this server's addresses. */
export function Teach() {
  const { t } = useText()
  const host = location.hostname
  return (
    <section className="panel">
      <div className="panel-body stack">
        <div>
          <h2>{t('teach.title')}</h2>
          <div className="muted">{t('teach.text')}</div>
          <Snippet
            text={`export OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:4318\nexport OTEL_SERVICE_NAME=my-service`}
          />
        </div>
        <div>
          <div className="muted">{t('teach.demo')}</div>
          <Snippet text={`go run ./examples/rideshare run --otlp http://${host}:4318`} />
        </div>
        <div>
          <div className="muted">{t('teach.prometheus')}</div>
          <Snippet text={`remote_write:\n  - url: ${location.origin}/api/v1/write`} />
        </div>
        <div>
          <div className="muted">{t('teach.loki')}</div>
          <Snippet text={`${location.origin}/loki/api/v1/push`} />
        </div>
      </div>
    </section>
  )
}
