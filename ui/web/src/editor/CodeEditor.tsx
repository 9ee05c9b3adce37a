import { autocompletion, closeBrackets, completionKeymap, completionStatus } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, Prec, type Extension } from '@codemirror/state'
import { EditorView, keymap, placeholder as placeholderOf } from '@codemirror/view'
import { PromQLExtension } from '@prometheus-io/codemirror-promql'
import { useEffect, useRef } from 'react'
import { useText } from '../i18n/index.ts'
import { complete, highlight, languageOf, syntaxLinter, type QueryLanguage, type Vocabulary } from './languages.ts'

export interface EditorProps {
  value: string
  language: QueryLanguage
  label: string
  placeholder?: string
  vocabulary?: Vocabulary
  onChange?: (value: string) => void
  /** Enter. */
  onRun: (value: string) => void
  autoFocus?: boolean
  id?: string
}

const look = EditorView.theme({
  '&': { fontSize: '13px', background: 'transparent', color: 'var(--text)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': {
    fontFamily: 'var(--mantine-font-family-monospace)',
    padding: '6px 0',
    caretColor: 'var(--text)',
  },
  '.cm-scroller': { lineHeight: '20px', overflow: 'auto', maxHeight: '180px' },
  '.cm-line': { padding: '0 8px' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': {
    background: 'color-mix(in srgb, var(--accent) 25%, transparent) !important',
  },
  '.cm-matchingBracket': { background: 'color-mix(in srgb, var(--accent) 22%, transparent) !important' },
  '.cm-tooltip': {
    background: 'var(--panel)',
    border: '1px solid var(--line-strong)',
    borderRadius: '5px',
    color: 'var(--text)',
    overflow: 'hidden',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mantine-font-family-monospace)', maxHeight: '16em' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '2px 8px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { background: 'var(--accent-soft)', color: 'var(--text)' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--broken)' },
})

function extensionFor(language: QueryLanguage, vocabulary: Vocabulary | undefined, invalid: string): Extension {
  switch (language) {
    case 'promql':
      return new PromQLExtension()
        .setComplete({ remote: { url: '', lookbackInterval: 3600_000, httpMethod: 'GET' } })
        .asExtension()
    case 'logql':
    case 'traceql': {
      const lang = languageOf(language)
      const completion = vocabulary ? lang.data.of({ autocomplete: complete(language, vocabulary) }) : []
      return [lang, completion, syntaxLinter(invalid)]
    }
    default:
      return []
  }
}

/** A query line with completion and errors where they are. Enter runs it, Shift+Enter breaks the line. */
export function CodeEditor(p: EditorProps) {
  const { t } = useText()
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const language = useRef(new Compartment())
  const live = useRef(p)
  useEffect(() => {
    live.current = p
  })
  const invalid = t('error.query')
  const { label, placeholder = '', id } = p

  useEffect(() => {
    const run = () => {
      // Enter chooses a completion when the list is open.
      if (completionStatus(v.state) === 'active') return false
      live.current.onRun(v.state.doc.toString())
      return true
    }
    const v = new EditorView({
      parent: host.current!,
      state: EditorState.create({
        doc: live.current.value,
        extensions: [
          Prec.high(
            keymap.of([
              { key: 'Enter', run },
              { key: 'Mod-Enter', run },
            ]),
          ),
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          syntaxHighlighting(highlight),
          look,
          EditorView.lineWrapping,
          placeholderOf(placeholder),
          EditorView.contentAttributes.of({ 'aria-label': label, ...(id ? { id } : {}) }),
          EditorView.updateListener.of((u) => {
            if (u.docChanged) live.current.onChange?.(u.state.doc.toString())
          }),
          language.current.of(extensionFor(live.current.language, live.current.vocabulary, invalid)),
        ],
      }),
    })
    view.current = v
    if (live.current.autoFocus) v.focus()
    return () => {
      v.destroy()
      view.current = null
    }
  }, [label, placeholder, id, invalid])

  useEffect(() => {
    view.current?.dispatch({
      effects: language.current.reconfigure(extensionFor(p.language, live.current.vocabulary, invalid)),
    })
  }, [p.language, invalid])

  useEffect(() => {
    const v = view.current
    if (!v || v.state.doc.toString() === p.value) return
    v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: p.value } })
  }, [p.value])

  return <div ref={host} className="code-editor" />
}
