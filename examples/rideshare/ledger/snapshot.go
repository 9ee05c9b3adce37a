package ledger

import (
	"cmp"
	"maps"
	"time"
)

// Snapshot is the ledger at one moment, with every list in a stable order. It is what GET /ledger answers.
type Snapshot struct {
	StartedUnixNano int64             `json:"started_unix_nano"`
	TakenUnixNano   int64             `json:"taken_unix_nano"`
	Totals          Totals            `json:"totals"`
	Requests        []RequestCount    `json:"requests"`
	Spans           []SpanCount       `json:"spans"`
	Logs            []LogCount        `json:"logs"`
	Counters        []Counter         `json:"counters"`
	Histograms      []Summary         `json:"histograms"`
	Export          map[string]Export `json:"export"`
	// Traces are the most recent ones, oldest first.
	Traces []Trace `json:"traces"`
}

// Totals are the sums over all rows.
type Totals struct {
	Requests int64 `json:"requests"`
	Spans    int64 `json:"spans"`
	Logs     int64 `json:"logs"`
}

// RequestCount is one row of the request counts.
type RequestCount struct {
	RequestKey
	Count int64 `json:"count"`
}

// SpanCount is one row of the span counts.
type SpanCount struct {
	SpanKey
	Count int64 `json:"count"`
}

// LogCount is one row of the log record counts.
type LogCount struct {
	LogKey
	Count int64 `json:"count"`
}

// Snapshot copies the ledger; at most maxTraces of the recent traces are included.
func (l *Ledger) Snapshot(maxTraces int) Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Snapshot{StartedUnixNano: l.started.UnixNano(), TakenUnixNano: time.Now().UnixNano(), Export: map[string]Export{},
		// Empty lists, not null: readers in other languages loop over them.
		Requests: []RequestCount{}, Spans: []SpanCount{}, Logs: []LogCount{}, Counters: []Counter{}, Histograms: []Summary{}, Traces: []Trace{}}
	for _, k := range sortedKeys(l.requests, compareRequest) {
		s.Requests = append(s.Requests, RequestCount{k, l.requests[k]})
		s.Totals.Requests += l.requests[k]
	}
	for _, k := range sortedKeys(l.spans, compareSpan) {
		s.Spans = append(s.Spans, SpanCount{k, l.spans[k]})
		s.Totals.Spans += l.spans[k]
	}
	for _, k := range sortedKeys(l.logs, compareLog) {
		s.Logs = append(s.Logs, LogCount{k, l.logs[k]})
		s.Totals.Logs += l.logs[k]
	}
	for _, k := range sortedKeys(l.counters, cmp.Compare[string]) {
		c := *l.counters[k]
		c.Labels = maps.Clone(c.Labels)
		s.Counters = append(s.Counters, c)
	}
	for _, k := range sortedKeys(l.summaries, cmp.Compare[string]) {
		h := *l.summaries[k]
		h.Labels = maps.Clone(h.Labels)
		s.Histograms = append(s.Histograms, h)
	}
	for signal, e := range l.export {
		s.Export[signal] = *e
	}
	for i := range l.ring {
		// The slot that is written next holds the oldest trace.
		id := l.ring[(l.next+i)%len(l.ring)]
		if id == "" {
			continue
		}
		t := *l.traces[id]
		t.Services = maps.Clone(t.Services)
		s.Traces = append(s.Traces, t)
	}
	if over := len(s.Traces) - maxTraces; over > 0 {
		s.Traces = s.Traces[over:]
	}
	return s
}

// Counter returns the value of one business counter summed over all rows whose labels contain the given pairs.
func (s Snapshot) Counter(name string, labels ...string) float64 {
	var sum float64
rows:
	for _, c := range s.Counters {
		if c.Name != name {
			continue
		}
		for k, v := range labelMap(labels) {
			if c.Labels[k] != v {
				continue rows
			}
		}
		sum += c.Value
	}
	return sum
}
