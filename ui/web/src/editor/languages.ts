import { parser as logqlParser } from '@grafana/lezer-logql'
import { parser as traceqlParser } from '@grafana/lezer-traceql'
import { HighlightStyle, LRLanguage, syntaxTree, type LanguageSupport } from '@codemirror/language'
import { linter, type Diagnostic } from '@codemirror/lint'
import type { Extension } from '@codemirror/state'
import type { CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { styleTags, tags } from '@lezer/highlight'
import type { LRParser } from '@lezer/lr'

export type QueryLanguage = 'promql' | 'logql' | 'traceql' | 'text'

// The grammars come without styles.
const styled = (parser: LRParser) =>
  parser.configure({
    props: [
      styleTags({
        String: tags.string,
        'Number Integer Float Duration Bytes': tags.number,
        'Identifier AttributeField IntrinsicField': tags.propertyName,
        LineComment: tags.comment,
        'Json Logfmt Regexp Unpack Pattern LineFormat LabelFormat Pipe PipeMatch PipeExact': tags.keyword,
        'By Without And Or Unless Bool On Ignoring': tags.keyword,
        'Sum Avg Min Max Count Topk Bottomk Stddev Rate CountOverTime BytesRate BytesOverTime': tags.function(
          tags.variableName,
        ),
      }),
    ],
  })

const languages = {
  logql: LRLanguage.define({ name: 'logql', parser: styled(logqlParser) }),
  traceql: LRLanguage.define({ name: 'traceql', parser: styled(traceqlParser) }),
}

export const highlight = HighlightStyle.define([
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: [tags.number, tags.literal], color: 'var(--code-number)' },
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--code-keyword)' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: [tags.labelName, tags.propertyName], color: 'var(--code-label)' },
  { tag: tags.comment, color: 'var(--faint)' },
  { tag: tags.invalid, color: 'var(--broken)' },
])

/** What a half-written query can go on with. */
export interface Vocabulary {
  /** Names of labels, fields or attributes. */
  names: () => Promise<string[]>
  values: (name: string) => Promise<string[]>
}

const words = {
  logql: [
    ...['json', 'logfmt', 'regexp', 'pattern', 'line_format', 'label_format', 'unwrap', 'by', 'without'],
    ...['count_over_time', 'rate', 'bytes_rate', 'bytes_over_time', 'sum', 'avg', 'min', 'max', 'topk', 'bottomk'],
  ],
  traceql: [
    ...['name', 'status', 'duration', 'kind', 'rootName', 'rootServiceName', 'traceDuration', 'statusMessage'],
    ...['count', 'avg', 'max', 'min', 'sum', 'error', 'ok', 'unset', 'server', 'client', 'producer', 'consumer'],
  ],
}

/** Completes values after name=", names and words everywhere else. */
export function complete(language: 'logql' | 'traceql', vocabulary: Vocabulary) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const value = context.matchBefore(/[\w.:-]+\s*(?:=~|!~|!=|=)\s*"[^"]*/)
    if (value) {
      const name = /^[\w.:-]+/.exec(value.text)![0]
      const start = value.from + value.text.lastIndexOf('"') + 1
      const values = await vocabulary.values(name)
      return { from: start, options: values.map((v) => ({ label: v, type: 'text' })), validFor: /^[^"]*$/ }
    }
    const word = context.matchBefore(/[\w.]+/)
    if (!word && !context.explicit) return null
    const names = await vocabulary.names()
    return {
      from: word?.from ?? context.pos,
      options: [
        ...names.map((label) => ({ label, type: 'property', boost: 1 })),
        ...words[language].map((label) => ({ label, type: 'keyword' })),
      ],
      validFor: /^[\w.]*$/,
    }
  }
}

/** Underlines what the grammar cannot read; the server says why. */
export function syntaxLinter(message: string): Extension {
  return linter((view) => {
    const found: Diagnostic[] = []
    if (view.state.doc.length === 0) return found
    syntaxTree(view.state).iterate({
      enter: (node) => {
        if (!node.type.isError || found.length > 0) return
        const to = Math.max(node.to, Math.min(node.from + 1, view.state.doc.length))
        found.push({ from: Math.min(node.from, to), to, severity: 'error', message })
      },
    })
    return found
  })
}

export function languageOf(name: 'logql' | 'traceql'): LRLanguage {
  return languages[name]
}

export type { LanguageSupport }
