// Package logstore keeps OpenTelemetry log records in the record engine. It is
// only the schema and the mapping between pdata and columns.
package logstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
)

// Store implements store.LogStore.
type Store struct {
	*columnar.Table
	now   func() time.Time
	known known
}

var _ store.LogStore = (*Store)(nil)

// Open opens the log table in opts.Dir. opts.Schema is set here.
func Open(opts columnar.Options) (*Store, error) {
	opts.Schema = &schema
	t, err := columnar.Open(opts)
	if err != nil {
		return nil, err
	}
	return &Store{Table: t, now: t.Options().Now}, nil
}

// AppendLogs implements store.LogStore.
func (s *Store) AppendLogs(ctx context.Context, scope model.Scope, ld plog.Logs) (store.WriteResult, error) {
	var res store.WriteResult
	m := s.mapper(s.NewBuilder(), &res)
	for i := range ld.ResourceLogs().Len() {
		m.resource(scope, ld.ResourceLogs().At(i))
	}
	res.Stored = m.b.Len()
	if err := s.AppendRequest(ctx, m.b, res); err != nil {
		return store.WriteResult{}, err
	}
	return res, nil
}

// mapper puts the records of one request into a builder.
type mapper struct {
	store  *Store
	b      *columnar.Builder
	now    time.Time
	res    *store.WriteResult
	maxRow int
	buf    []byte

	stamped bool // the row has no time of its own
}

func (s *Store) mapper(b *columnar.Builder, res *store.WriteResult) mapper {
	return mapper{store: s, b: b, now: s.now(), res: res, maxRow: s.Options().MaxRowBytes}
}

func outOfScope(product string, err error) string { return fmt.Sprintf("product %q: %s", product, err) }

func (m *mapper) resource(scope model.Scope, rl plog.ResourceLogs) {
	res := rl.Resource().Attributes()
	claimed := ""
	if v, ok := res.Get(model.ResourceProduct); ok {
		claimed = v.AsString()
	}
	product, err := scope.WriteProduct(claimed)
	if err != nil {
		n := 0
		for i := range rl.ScopeLogs().Len() {
			n += rl.ScopeLogs().At(i).LogRecords().Len()
		}
		m.res.Reject(store.RejectOutOfScope, n, outOfScope(claimed, err))
		return
	}
	r := resourceColumns(res)
	r.product = product
	for i := range rl.ScopeLogs().Len() {
		sl := rl.ScopeLogs().At(i)
		stream := r.stream
		if sl.Scope().Name() == LokiScope {
			stream = r.allLabels
		}
		scopeInfo := scopeJSON(sl.Scope())
		for j := range sl.LogRecords().Len() {
			m.record(&r, stream, scopeInfo, sl.LogRecords().At(j))
		}
	}
}

func (m *mapper) record(r *resourceInfo, stream, scopeInfo string, lr plog.LogRecord) {
	row := row{
		ts: int64(lr.Timestamp()), observed: int64(lr.ObservedTimestamp()), severity: int64(lr.SeverityNumber()), flags: int64(lr.Flags()),
		sevText: lr.SeverityText(), event: lr.EventName(), body: m.body(lr.Body()),
	}
	if id := lr.TraceID(); !id.IsEmpty() {
		row.trace = string(id[:])
	}
	if id := lr.SpanID(); !id.IsEmpty() {
		row.span = string(id[:])
	}
	if !m.begin(r, stream, scopeInfo, &row) {
		return
	}
	m.buf = m.b.AddAttributes(m.buf, lr.Attributes())
	m.end()
}

// row is a record without its attributes.
type row struct {
	ts, observed, severity, flags int64
	sevText, event, body          string
	trace, span                   string // empty when absent
}

// begin sets the fixed columns of a row. It is false when the row is refused.
func (m *mapper) begin(r *resourceInfo, stream, scopeInfo string, x *row) bool {
	ts := x.ts
	if ts <= 0 {
		ts = x.observed
	}
	if m.stamped = ts <= 0; m.stamped {
		ts = m.now.UnixNano()
	}
	if reason, ok := m.store.Accept(ts, m.now); !ok {
		m.res.Reject(reason, 1, timeMessage(reason, ts, m.store.Options()))
		return false
	}
	b := m.b
	b.Int(colTime, ts)
	b.Str(colProduct, r.product)
	b.Str(colService, r.service)
	b.Str(colStream, stream)
	b.Str(colResource, r.json)
	b.Str(colScope, scopeInfo)
	b.Int(colObserved, x.observed)
	number := x.severity
	if number == 0 {
		number = severityFromText(x.sevText)
	}
	b.Int(colSeverity, number)
	b.Str(colSevText, x.sevText)
	b.Str(colEvent, x.event)
	b.Int(colFlags, x.flags)
	if x.trace != "" {
		b.Bytes(colTrace, x.trace)
	}
	if x.span != "" {
		b.Bytes(colSpan, x.span)
	}
	b.Str(colBody, x.body)
	return true
}

// end finishes a row, unless it is too large.
func (m *mapper) end() {
	if size := m.b.RowSize(); size > m.maxRow {
		m.b.Discard()
		m.res.Reject(store.RejectTooLarge, 1, fmt.Sprintf("record of %d bytes is over the limit of %d: send less per record", size, m.maxRow))
		return
	}
	m.b.Next()
	if m.stamped {
		m.res.Stamped++
	}
}

func (m *mapper) body(v pcommon.Value) string {
	if v.Type() == pcommon.ValueTypeStr {
		return v.Str()
	}
	if v.Type() == pcommon.ValueTypeEmpty {
		return ""
	}
	return v.AsString()
}

func timeMessage(reason store.RejectReason, ts int64, o columnar.Options) string {
	at := time.Unix(0, ts).UTC().Format(time.RFC3339)
	if reason == store.RejectTooOld {
		return fmt.Sprintf("timestamp %s is older than the retention of %s: check the sender's clock or raise the retention", at, o.Retention)
	}
	return fmt.Sprintf("timestamp %s is more than %s in the future: check the sender's clock", at, o.MaxFuture)
}

// severityFromText reads the level names that senders without numbers use.
func severityFromText(text string) int64 {
	switch strings.ToLower(text) {
	case "trace":
		return int64(plog.SeverityNumberTrace)
	case "debug":
		return int64(plog.SeverityNumberDebug)
	case "info", "information", "notice":
		return int64(plog.SeverityNumberInfo)
	case "warn", "warning":
		return int64(plog.SeverityNumberWarn)
	case "error", "err":
		return int64(plog.SeverityNumberError)
	case "fatal", "critical", "crit", "panic", "emerg", "alert":
		return int64(plog.SeverityNumberFatal)
	}
	return 0
}
