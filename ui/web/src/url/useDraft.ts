import { useState } from 'react'

/** A text being edited. It follows the URL when that changes: back and forward work. */
export function useDraft(value: string): [string, (text: string) => void] {
  const [draft, setDraft] = useState(value)
  const [seen, setSeen] = useState(value)
  if (seen !== value) {
    setSeen(value)
    setDraft(value)
  }
  return [draft, setDraft]
}
