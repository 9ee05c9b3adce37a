// Package ledger counts what the rideshare application did, outside of the OpenTelemetry SDK.
//
// Every number is written by application code at the moment the thing happens, so answers of a telemetry backend
// can be compared with it by value. The ledger counts since the process started and is never reset; a test that
// wants an interval takes two snapshots and subtracts.
package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// traceRingSize is how many recent traces are kept with their facts: enough for ten minutes at the default rate,
// at about half a kilobyte each.
const traceRingSize = 4096

// Ledger is safe for concurrent use.
type Ledger struct {
	started time.Time

	mu        sync.Mutex
	requests  map[RequestKey]int64
	spans     map[SpanKey]int64
	logs      map[LogKey]int64
	counters  map[string]*Counter
	summaries map[string]*Summary
	traces    map[string]*Trace
	ring      []string
	next      int
	export    map[string]*Export
}

// RequestKey names one row of the request counts.
type RequestKey struct {
	Service string `json:"service"`
	Method  string `json:"method"`
	Route   string `json:"route"`
	Status  int    `json:"status"`
}

// SpanKey names one row of the span counts. Kind and Status use TraceQL's lower-case words
// (server, client, producer, consumer; unset, error).
type SpanKey struct {
	Service string `json:"service"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Status  string `json:"status"`
}

// LogKey names one row of the log record counts. Level is slog's word: DEBUG, INFO, WARN, ERROR.
type LogKey struct {
	Service string `json:"service"`
	Level   string `json:"level"`
}

// Counter is one business counter (or gauge) with its labels; Name is the Prometheus name.
type Counter struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

// Summary is the count and the sum of one business histogram; Name is the Prometheus name without a suffix.
type Summary struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Count  int64             `json:"count"`
	Sum    float64           `json:"sum"`
}

// Trace holds the facts about one trace.
type Trace struct {
	TraceID    string `json:"trace_id"`
	RequestID  string `json:"request_id"`
	Spans      int    `json:"spans"`
	ErrorSpans int    `json:"error_spans"`
	// Services maps a service name to its number of spans.
	Services    map[string]int `json:"services"`
	RootService string         `json:"root_service"`
	RootName    string         `json:"root_name"`
	RootStatus  int            `json:"root_http_status"`
	// RootStartUnixNano and RootDurationNanos are the values given to the SDK, not measured again.
	RootStartUnixNano int64 `json:"root_start_unix_nano"`
	RootDurationNanos int64 `json:"root_duration_nanos"`
}

// Export says what happened to one signal on the way out.
type Export struct {
	// Created is what the application made (spans ended, log records emitted); not counted for metrics.
	Created int64 `json:"created"`
	// Handed is what reached an exporter. After a flush, Created - Handed was dropped by an SDK queue.
	Handed       int64  `json:"handed"`
	Acknowledged int64  `json:"acknowledged"`
	Failed       int64  `json:"failed"`
	Exports      int64  `json:"exports"`
	FailedCalls  int64  `json:"failed_exports"`
	LastError    string `json:"last_error,omitempty"`
}

// New returns an empty ledger that counts from now on.
func New() *Ledger {
	return &Ledger{
		started: time.Now(), requests: map[RequestKey]int64{}, spans: map[SpanKey]int64{}, logs: map[LogKey]int64{},
		counters: map[string]*Counter{}, summaries: map[string]*Summary{}, traces: map[string]*Trace{},
		ring: make([]string, traceRingSize), export: map[string]*Export{},
	}
}

// Request counts one answered request of a service.
func (l *Ledger) Request(k RequestKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests[k]++
}

// Log counts one log record handed to the SDK.
func (l *Ledger) Log(service, level string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logs[LogKey{service, level}]++
	l.exportOf("logs").Created++
}

// Span counts one ended span.
func (l *Ledger) Span(traceID string, k SpanKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans[k]++
	l.exportOf("spans").Created++
	t := l.traceOf(traceID)
	t.Spans++
	t.Services[k.Service]++
	if k.Status == "error" {
		t.ErrorSpans++
	}
}

// Root records the facts of a trace's root span.
func (l *Ledger) Root(traceID, requestID, service, name string, status int, start time.Time, duration time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.traceOf(traceID)
	t.RequestID, t.RootService, t.RootName, t.RootStatus = requestID, service, name, status
	t.RootStartUnixNano, t.RootDurationNanos = start.UnixNano(), int64(duration)
}

// Add adds to a business counter; labels are name, value pairs.
func (l *Ledger) Add(name string, value float64, labels ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counterOf(name, labels).Value += value
}

// Set sets a business gauge; labels are name, value pairs.
func (l *Ledger) Set(name string, value float64, labels ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counterOf(name, labels).Value = value
}

// Observe adds one value to a business histogram; labels are name, value pairs.
func (l *Ledger) Observe(name string, value float64, labels ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := seriesKey(name, labels)
	s := l.summaries[key]
	if s == nil {
		s = &Summary{Name: name, Labels: labelMap(labels)}
		l.summaries[key] = s
	}
	s.Count++
	s.Sum += value
}

// Exported counts one call of an exporter for a signal: spans, logs or metrics.
func (l *Ledger) Exported(signal string, items int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.exportOf(signal)
	e.Exports++
	e.Handed += int64(items)
	if err != nil {
		e.FailedCalls++
		e.Failed += int64(items)
		e.LastError = err.Error()
		return
	}
	e.Acknowledged += int64(items)
}

func (l *Ledger) exportOf(signal string) *Export {
	e := l.export[signal]
	if e == nil {
		e = &Export{}
		l.export[signal] = e
	}
	return e
}

func (l *Ledger) counterOf(name string, labels []string) *Counter {
	key := seriesKey(name, labels)
	c := l.counters[key]
	if c == nil {
		c = &Counter{Name: name, Labels: labelMap(labels)}
		l.counters[key] = c
	}
	return c
}

func (l *Ledger) traceOf(id string) *Trace {
	t := l.traces[id]
	if t == nil {
		t = &Trace{TraceID: id, Services: map[string]int{}}
		l.traces[id] = t
		delete(l.traces, l.ring[l.next])
		l.ring[l.next] = id
		l.next = (l.next + 1) % len(l.ring)
	}
	return t
}

func seriesKey(name string, labels []string) string {
	return name + "\x00" + strings.Join(labels, "\x00")
}

func labelMap(labels []string) map[string]string {
	m := make(map[string]string, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	return m
}

func sortedKeys[K comparable, V any](m map[K]V, less func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), less)
}

func compareSpan(a, b SpanKey) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Status, b.Status))
}

func compareRequest(a, b RequestKey) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status))
}

func compareLog(a, b LogKey) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Level, b.Level))
}
