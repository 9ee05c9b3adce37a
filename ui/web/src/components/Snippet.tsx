import { ActionIcon, CopyButton } from '@mantine/core'
import { Check, Copy } from 'lucide-react'
import { useText } from '../i18n/index.ts'

/** Text to copy into a terminal or a file. */
export function Snippet({ text }: { text: string }) {
  const { t } = useText()
  return (
    <pre className="snippet mono" tabIndex={0}>
      {text}
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <ActionIcon
            className="snippet-copy"
            aria-label={copied ? t('action.copied') : t('action.copy')}
            onClick={copy}
          >
            {copied ? <Check size={14} /> : <Copy size={14} />}
          </ActionIcon>
        )}
      </CopyButton>
    </pre>
  )
}
