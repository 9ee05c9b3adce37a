// Package tracestore keeps OpenTelemetry spans in the record engine. It is only
// the schema and the mapping between pdata and columns.
package tracestore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/attrs"
	"hinomi/internal/store/columnar"
)

// Store implements store.TraceStore.
type Store struct {
	*columnar.Table
	now   func() time.Time
	known known
}

var _ store.TraceStore = (*Store)(nil)

// Open opens the span table in opts.Dir. opts.Schema is set here.
func Open(opts columnar.Options) (*Store, error) {
	opts.Schema = &schema
	t, err := columnar.Open(opts)
	if err != nil {
		return nil, err
	}
	return &Store{Table: t, now: t.Options().Now}, nil
}

// AppendTraces implements store.TraceStore.
func (s *Store) AppendTraces(ctx context.Context, scope model.Scope, td ptrace.Traces) (store.WriteResult, error) {
	var res store.WriteResult
	m := s.mapper(s.NewBuilder(), &res)
	for i := range td.ResourceSpans().Len() {
		m.resource(scope, td.ResourceSpans().At(i))
	}
	res.Stored = m.b.Len()
	if err := s.AppendRequest(ctx, m.b, res); err != nil {
		return store.WriteResult{}, err
	}
	return res, nil
}

// mapper puts the spans of one request into a builder.
type mapper struct {
	store  *Store
	b      *columnar.Builder
	now    time.Time
	res    *store.WriteResult
	maxRow int
	buf    []byte
}

// resourceInfo is what all spans of one resource and scope share.
type resourceInfo struct{ product, service, json, scope string }

func resourceColumns(res pcommon.Map) resourceInfo {
	r := resourceInfo{service: "unknown_service", json: string(attrs.AppendMap(nil, res))}
	if v, ok := res.Get("service.name"); ok && v.AsString() != "" {
		r.service = strings.ToValidUTF8(v.AsString(), "\uFFFD")
	}
	return r
}

func (s *Store) mapper(b *columnar.Builder, res *store.WriteResult) mapper {
	return mapper{store: s, b: b, now: s.now(), res: res, maxRow: s.Options().MaxRowBytes}
}

func outOfScope(product string, err error) string { return fmt.Sprintf("product %q: %s", product, err) }

func (m *mapper) resource(scope model.Scope, rs ptrace.ResourceSpans) {
	res := rs.Resource().Attributes()
	claimed := ""
	if v, ok := res.Get(model.ResourceProduct); ok {
		claimed = v.AsString()
	}
	product, err := scope.WriteProduct(claimed)
	if err != nil {
		n := 0
		for i := range rs.ScopeSpans().Len() {
			n += rs.ScopeSpans().At(i).Spans().Len()
		}
		m.res.Reject(store.RejectOutOfScope, n, outOfScope(claimed, err))
		return
	}
	r := resourceColumns(res)
	r.product = product
	for i := range rs.ScopeSpans().Len() {
		ss := rs.ScopeSpans().At(i)
		r.scope = attrs.Scope(ss.Scope())
		for j := range ss.Spans().Len() {
			m.span(&r, ss.Spans().At(j))
		}
	}
}

func (m *mapper) span(r *resourceInfo, sp ptrace.Span) {
	id, spanID, parent := sp.TraceID(), sp.SpanID(), sp.ParentSpanID()
	x := row{
		start: int64(sp.StartTimestamp()), end: int64(sp.EndTimestamp()), name: sp.Name(), kind: int64(sp.Kind()), status: int64(sp.Status().Code()),
		message: sp.Status().Message(), state: sp.TraceState().AsRaw(), flags: int64(sp.Flags()),
		dropped: [3]uint32{sp.DroppedAttributesCount(), sp.DroppedEventsCount(), sp.DroppedLinksCount()},
	}
	if !id.IsEmpty() {
		x.trace = string(id[:])
	}
	if !spanID.IsEmpty() {
		x.span = string(spanID[:])
	}
	if !parent.IsEmpty() {
		x.parent = string(parent[:])
	}
	if !m.begin(r, &x) {
		return
	}
	m.lists(sp)
	m.buf = m.b.AddAttributes(m.buf, sp.Attributes())
	m.end()
}

// row is a span without its events, links and attributes.
type row struct {
	trace, span, parent  string // empty when absent
	start, end           int64
	name, state, message string
	kind, status, flags  int64
	dropped              [3]uint32 // attributes, events, links
}

// begin sets the fixed columns of a row. It is false when the row is refused.
func (m *mapper) begin(r *resourceInfo, x *row) bool {
	if x.trace == "" || x.span == "" {
		m.res.Reject(store.RejectMalformed, 1, "span without trace id or span id")
		return false
	}
	if x.start <= 0 {
		m.res.Reject(store.RejectMalformed, 1, "span without start time")
		return false
	}
	if reason, ok := m.store.Accept(x.start, m.now); !ok {
		m.res.Reject(reason, 1, fmt.Sprintf("span start %s is outside of the accepted time range (retention %s, at most %s in the future): check the sender's clock",
			time.Unix(0, x.start).UTC().Format(time.RFC3339), m.store.Options().Retention, m.store.Options().MaxFuture))
		return false
	}
	b := m.b
	b.Int(colTime, x.start)
	// A clock that jumped back must not make a negative duration.
	b.Int(colDuration, max(0, x.end-x.start))
	b.Str(colProduct, r.product)
	b.Str(colService, r.service)
	b.Str(colResource, r.json)
	b.Str(colScope, r.scope)
	b.Bytes(colTrace, x.trace)
	b.Bytes(colSpan, x.span)
	if x.parent != "" {
		b.Bytes(colParent, x.parent)
	}
	b.Str(colName, x.name)
	b.Int(colKind, x.kind)
	b.Int(colStatus, x.status)
	b.Str(colStatusMsg, x.message)
	b.Str(colTraceState, x.state)
	b.Int(colFlags, x.flags)
	if d := x.dropped; d != [3]uint32{} {
		b.Str(colDropped, fmt.Sprintf("%d,%d,%d", d[0], d[1], d[2]))
	}
	return true
}

// lists sets the events and links of the current row.
func (m *mapper) lists(sp ptrace.Span) {
	if sp.Events().Len() > 0 {
		m.b.Str(colEvents, string(appendEvents(nil, sp.Events())))
	}
	if sp.Links().Len() > 0 {
		m.b.Str(colLinks, string(appendLinks(nil, sp.Links())))
	}
}

// end finishes a row, unless it is too large.
func (m *mapper) end() {
	if size := m.b.RowSize(); size > m.maxRow {
		m.b.Discard()
		m.res.Reject(store.RejectTooLarge, 1, fmt.Sprintf("span of %d bytes is over the limit of %d: send fewer or shorter attributes and events", size, m.maxRow))
		return
	}
	m.b.Next()
}

// Trace implements store.TraceStore.
func (s *Store) Trace(ctx context.Context, scope model.Scope, id [16]byte, from, to int64) (ptrace.Traces, store.ScanStats, error) {
	if from == 0 && to == 0 {
		to = s.now().Add(s.Options().MaxFuture).UnixNano() + 1
	}
	out := newRebuilder()
	stats, err := s.Scan(ctx, scope, store.ScanRequest{
		From: from, To: to,
		Where:   store.Cmp{Col: store.Col(store.ColTraceID), Op: store.Eq, Val: store.Bytes(id[:])},
		Columns: rebuildColumns,
	}, out.add)
	if err == nil && out.spans == 0 {
		err = fmt.Errorf("trace %x: %w", id, store.ErrNotFound)
	}
	return out.traces, stats, err
}

func spanID(s string) (id pcommon.SpanID) {
	copy(id[:], s)
	return id
}

func traceID(s string) (id pcommon.TraceID) {
	copy(id[:], s)
	return id
}
