import { Button, Modal, SegmentedControl, Textarea, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { alertsMatching, createSilence, matcherText, parseMatchers } from '../../api/alertmanager.ts'
import { ErrorBox } from '../../components/Feedback.tsx'
import { When } from '../../components/When.tsx'
import { useText } from '../../i18n/index.ts'
import { parseDuration } from '../../time/range.ts'
import { useRange } from '../../time/useRange.tsx'
import { useSearch } from '../../url/useSearch.ts'

const durations = ['30m', '1h', '2h', '8h', '24h', '7d']
const authorKey = 'hinomi-author'

function rememberedAuthor(): string {
  try {
    return localStorage.getItem(authorKey) ?? ''
  } catch {
    return ''
  }
}

/** A new silence, with the alerts that it would silence now. */
export function SilenceForm() {
  const { t } = useText()
  const { search, setSearch } = useSearch()
  const { tick, now } = useRange()
  const client = useQueryClient()
  const given = search.silence === 'new' ? '' : (search.silence ?? '')
  const [text, setText] = useState(given)
  const [duration, setDuration] = useState('2h')
  const [comment, setComment] = useState('')
  const [author, setAuthor] = useState(rememberedAuthor)
  const matchers = parseMatchers(text)
  const preview = useQuery({
    queryKey: ['silence preview', matchers?.map(matcherText)],
    queryFn: ({ signal }) => alertsMatching(matchers!, signal),
    enabled: matchers !== null,
    placeholderData: (previous) => previous,
  })
  const close = () => setSearch({ silence: undefined })
  const length = parseDuration(duration) ?? 0
  const create = useMutation({
    mutationFn: () => {
      try {
        localStorage.setItem(authorKey, author)
      } catch {
        // The name is asked again next time.
      }
      const start = Date.now()
      return createSilence({
        matchers: matchers!,
        startsAt: new Date(start).toISOString(),
        endsAt: new Date(start + length).toISOString(),
        createdBy: author.trim(),
        comment: comment.trim(),
      })
    },
    onSuccess: async () => {
      await client.invalidateQueries()
      tick()
      setSearch({ silence: undefined, tab: 'silences', alert: undefined })
    },
  })
  const matching = matchers ? (preview.data ?? []) : []
  return (
    <Modal
      opened
      onClose={close}
      title={t('alerts.newSilence')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('action.close') }}
    >
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault()
          if (matchers && author.trim() && comment.trim()) create.mutate()
        }}
      >
        <Textarea
          label={t('alerts.matchers')}
          description={t('alerts.matchersHint')}
          autosize
          minRows={2}
          value={text}
          data-autofocus
          classNames={{ input: 'mono' }}
          error={text && !matchers ? t('alerts.matchersWrong') : undefined}
          onChange={(e) => setText(e.currentTarget.value)}
        />
        <section className="preview" aria-live="polite">
          {matchers === null ? (
            <span className="muted">{t('alerts.previewNone')}</span>
          ) : (
            <>
              <strong>{t('alerts.preview', { count: matching.length })}</strong>
              <ul>
                {matching.slice(0, 8).map((a) => (
                  <li key={a.fingerprint}>
                    {a.labels.alertname} <span className="muted">{a.annotations.summary}</span>
                  </li>
                ))}
                {matching.length > 8 && <li className="muted">+{matching.length - 8}</li>}
              </ul>
            </>
          )}
        </section>
        <div>
          <SegmentedControl
            size="xs"
            aria-label={t('alerts.duration')}
            value={duration}
            onChange={setDuration}
            data={durations}
          />{' '}
          <span className="muted">
            {t('alerts.until')} <When ms={now + length} />
          </span>
        </div>
        <TextInput
          label={t('alerts.comment')}
          required
          value={comment}
          onChange={(e) => setComment(e.currentTarget.value)}
        />
        <TextInput
          label={t('alerts.author')}
          required
          value={author}
          onChange={(e) => setAuthor(e.currentTarget.value)}
        />
        {create.error && <ErrorBox error={create.error} />}
        <div className="row">
          <span className="grow" />
          <Button variant="default" size="xs" onClick={close}>
            {t('action.cancel')}
          </Button>
          <Button type="submit" size="xs" disabled={!matchers} loading={create.isPending}>
            {t('alerts.createSilence')}
          </Button>
        </div>
      </form>
    </Modal>
  )
}
