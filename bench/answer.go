package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// An answer's summary is the same text for the same answer of every server: how
// much it is and a digest of what it holds. Names of labels are not in it, nor
// the case of their values, because servers write them differently; nor which
// traces there are when more were found than asked for, because every one of
// them is right.

// envelope holds the fields that tell the APIs' answers apart.
type envelope struct {
	Data    json.RawMessage // Prometheus and Loki: an object; Jaeger: an array
	Traces  []struct{ TraceID string }
	Batches []struct {
		ScopeSpans []struct{ Spans []struct{ SpanID string } }
	}
	Metrics json.RawMessage // of a search in Tempo, which leaves out an empty list
}

// summary reads the answer to a question that asked for at most limit rows or traces.
func summary(body []byte, limit int) string {
	var e envelope
	if json.Unmarshal(body, &e) != nil {
		return jsonLines(body)
	}
	switch data := bytes.TrimSpace(e.Data); {
	case e.Batches != nil:
		var ids []string
		for _, b := range e.Batches {
			for _, s := range b.ScopeSpans {
				for _, span := range s.Spans {
					ids = append(ids, id(span.SpanID, 8))
				}
			}
		}
		return digest("spans", ids)
	case len(data) > 0 && data[0] == '{':
		return grafanaData(data)
	case len(data) > 0 && data[0] == '[':
		return jaegerData(data, limit)
	case e.Traces != nil || e.Metrics != nil:
		var ids []string
		for _, t := range e.Traces {
			ids = append(ids, t.TraceID)
		}
		return found(ids, limit)
	}
	return jsonLines(body)
}

// grafanaData summarises what Prometheus and Loki answer.
func grafanaData(data []byte) string {
	var d struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  []any
			Values [][]any
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return "not understood: " + err.Error()
	}
	if d.ResultType == "streams" {
		var lines []string
		for _, r := range d.Result {
			for _, v := range r.Values {
				lines = append(lines, text(v))
			}
		}
		return digest("rows", lines)
	}
	s := sums{}
	for _, r := range d.Result {
		values := r.Values
		if r.Value != nil {
			values = append(values, r.Value)
		}
		for _, v := range values {
			n, err := strconv.ParseFloat(text(v), 64)
			if err != nil {
				return "not understood: " + err.Error()
			}
			s.add(r.Metric, n)
		}
	}
	return s.String()
}

// text is the second of a pair of time and value or line.
func text(pair []any) string {
	if len(pair) < 2 {
		return ""
	}
	s, _ := pair[1].(string)
	return s
}

// jaegerData summarises traces: one by its spans, a search by the ids of its traces.
func jaegerData(data []byte, limit int) string {
	var list []struct {
		TraceID string
		Spans   []struct{ SpanID string }
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return "not understood: " + err.Error()
	}
	var ids []string
	if limit > 0 {
		for _, t := range list {
			ids = append(ids, t.TraceID)
		}
		return found(ids, limit)
	}
	for _, t := range list {
		for _, s := range t.Spans {
			ids = append(ids, id(s.SpanID, 8))
		}
	}
	return digest("spans", ids)
}

// jsonLines summarises VictoriaLogs' answers: one object a line, with counts in
// the field n where there are any.
func jsonLines(body []byte) string {
	s, lines := sums{}, []string{}
	for line := range strings.Lines(string(body)) {
		var row map[string]string
		if json.Unmarshal([]byte(line), &row) != nil {
			return fmt.Sprintf("not understood: %.100s", line)
		}
		count, ok := row["n"]
		if !ok {
			lines = append(lines, row["_msg"])
			continue
		}
		n, err := strconv.ParseFloat(count, 64)
		if err != nil {
			return "not understood: " + err.Error()
		}
		delete(row, "n")
		delete(row, "_time")
		s.add(row, n)
	}
	if len(s) > 0 {
		return s.String()
	}
	return digest("rows", lines)
}

// sums are the values of series, added up over time.
type sums map[string]float64

func (s sums) add(labels map[string]string, n float64) {
	var values []string
	for _, v := range labels {
		if v != "" {
			values = append(values, strings.ToLower(v))
		}
	}
	slices.Sort(values)
	s[strings.Join(values, "\x00")] += n
}

func (s sums) String() string {
	var rows []string
	var all []float64
	for k, v := range s {
		// Nine digits: the order of additions is not the answer.
		rows = append(rows, k+"\x00"+strconv.FormatFloat(v, 'g', 9, 64))
		all = append(all, v)
	}
	slices.Sort(all)
	total := 0.0
	for _, v := range all {
		total += v
	}
	return "sum " + strconv.FormatFloat(total, 'g', 9, 64) + " of " + digest("series", rows)
}

// found is a search's answer; which traces counts only when there are no more.
func found(ids []string, limit int) string {
	for i := range ids {
		ids[i] = id(ids[i], 16)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) >= limit {
		return strconv.Itoa(len(ids)) + " traces"
	}
	return digest("traces", ids)
}

// digest is the number of things and a hash that does not know their order.
func digest(what string, things []string) string {
	if len(things) == 0 {
		return "0 " + what
	}
	slices.Sort(things)
	h := fnv.New32a()
	for _, t := range things {
		_, _ = h.Write([]byte(t + "\x01"))
	}
	return fmt.Sprintf("%d %s #%08x", len(things), what, h.Sum32())
}

// id is a trace or span id of so many bytes in full hex. Servers write it in hex,
// some without leading zeros, or in base64.
func id(s string, size int) string {
	if len(s) <= 2*size {
		padded := strings.Repeat("0", 2*size-len(s)) + strings.ToLower(s)
		if _, err := hex.DecodeString(padded); err == nil {
			return padded
		}
	}
	if b, err := base64.StdEncoding.DecodeString(s); err == nil {
		return hex.EncodeToString(b)
	}
	return s
}
