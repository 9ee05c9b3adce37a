import { lazy, Suspense } from 'react'
import type { EditorProps } from './CodeEditor.tsx'
import './editor.css'

const CodeEditor = lazy(async () => ({ default: (await import('./CodeEditor.tsx')).CodeEditor }))

/** The query editor; its code comes when it is first shown. */
export function QueryEditor(props: EditorProps) {
  return (
    <div className="query-editor">
      <Suspense fallback={<div className="query-editor-waiting mono">{props.value}</div>}>
        <CodeEditor {...props} />
      </Suspense>
    </div>
  )
}
