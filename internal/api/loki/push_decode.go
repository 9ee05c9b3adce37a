package loki

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	promparser "github.com/prometheus/prometheus/promql/parser"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of one stream, Loki's defaults.
const (
	maxLabelNames      = 100
	maxLabelNameBytes  = 1024
	maxLabelValueBytes = 2048
	maxSeconds         = 9_000_000_000 // of a timestamp; more overflows nanoseconds
)

// builder turns streams into logs: one resource per stream.
type builder struct {
	ld       plog.Logs
	observed pcommon.Timestamp
	lines    int
	cur      plog.LogRecordSlice
	severity plog.SeverityNumber // of the current stream's level label
	timeless bool                // some line has no time of its own
	body     []byte              // what was decoded, nil if timeless
}

func newBuilder(now time.Time) *builder {
	return &builder{ld: plog.NewLogs(), observed: pcommon.NewTimestampFromTime(now)}
}

// stream starts a stream.
func (b *builder) stream(ls labels.Labels) error {
	if ls.IsEmpty() {
		return errors.New("error at least one label pair is required per stream")
	}
	if ls.Len() > maxLabelNames {
		return fmt.Errorf("stream has %d labels, the limit is %d", ls.Len(), maxLabelNames)
	}
	rl := b.ld.ResourceLogs().AppendEmpty()
	m := rl.Resource().Attributes()
	m.EnsureCapacity(ls.Len())
	b.severity = plog.SeverityNumberUnspecified
	for _, k := range levelKeys {
		if b.severity == plog.SeverityNumberUnspecified {
			b.severity = severityOf(ls.Get(k))
		}
	}
	err := ls.Validate(func(l labels.Label) error {
		switch {
		case !validName(l.Name):
			return fmt.Errorf("label name %q is not valid: use letters, digits and underscores", l.Name)
		case len(l.Name) > maxLabelNameBytes:
			return fmt.Errorf("label name %q… is longer than %d bytes", l.Name[:32], maxLabelNameBytes)
		case len(l.Value) > maxLabelValueBytes:
			return fmt.Errorf("value of label %q is longer than %d bytes", l.Name, maxLabelValueBytes)
		}
		m.PutStr(l.Name, strings.ToValidUTF8(l.Value, "\uFFFD"))
		return nil
	})
	if err != nil {
		return err
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(pushScope)
	b.cur = sl.LogRecords()
	return nil
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (b *builder) line(ts int64, line string) plog.LogRecord {
	lr := b.cur.AppendEmpty()
	b.timeless = b.timeless || ts <= 0
	lr.SetTimestamp(pcommon.Timestamp(max(0, ts)))
	lr.SetObservedTimestamp(b.observed)
	lr.Body().SetStr(strings.ToValidUTF8(line, "\uFFFD"))
	n := b.severity
	if n == plog.SeverityNumberUnspecified {
		n = severityInLine(line)
	}
	lr.SetSeverityNumber(n)
	b.lines++
	return lr
}

func metadata(lr plog.LogRecord, name, value string) {
	if name == "" {
		return
	}
	lr.Attributes().PutStr(strings.ToValidUTF8(name, "_"), strings.ToValidUTF8(value, "\uFFFD"))
	setIDs(lr, name, value)
	if isLevelKey(name) {
		if n := severityOf(value); n != plog.SeverityNumberUnspecified {
			lr.SetSeverityNumber(n)
		}
	}
}

// decodeJSON reads {"streams":[{"stream":{…},"values":[["ns","line",{…}]]}]}.
func decodeJSON(body []byte, b *builder) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	var req struct {
		Streams []struct {
			Stream map[string]string   `json:"stream"`
			Values [][]json.RawMessage `json:"values"`
		} `json:"streams"`
	}
	if err := dec.Decode(&req); err != nil {
		return fmt.Errorf("push is not the JSON of Loki's push API: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("push has text behind its JSON object")
	}
	for _, s := range req.Streams {
		if err := b.stream(labels.FromMap(s.Stream)); err != nil {
			return err
		}
		for _, v := range s.Values {
			if err := decodeValue(v, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func decodeValue(v []json.RawMessage, b *builder) error {
	if len(v) < 2 || len(v) > 3 {
		return fmt.Errorf("a value has %d members, expecting [\"<unix ns>\", \"<line>\"] or a third with structured metadata", len(v))
	}
	var ts, line string
	if err := json.Unmarshal(v[0], &ts); err != nil {
		return fmt.Errorf("timestamp %s is not a string of Unix nanoseconds", v[0])
	}
	n, err := strconv.ParseInt(ts, 10, 64)
	if err != nil {
		return fmt.Errorf("timestamp %q is not a string of Unix nanoseconds", ts)
	}
	if err := json.Unmarshal(v[1], &line); err != nil {
		return fmt.Errorf("line is not a string: %w", err)
	}
	var meta map[string]string
	if len(v) == 3 {
		if err := json.Unmarshal(v[2], &meta); err != nil {
			return fmt.Errorf("structured metadata must be an object of strings: %w", err)
		}
	}
	lr := b.line(n, line)
	labels.FromMap(meta).Range(func(l labels.Label) { metadata(lr, l.Name, l.Value) })
	return nil
}

var errProto = errors.New("body is not a Loki push request in protobuf")

// fields walks the fields of a message; fn gets length-delimited ones as bytes
// and varints as a number.
func fields(msg []byte, fn func(num protowire.Number, b []byte, v uint64) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return errProto
		}
		msg = msg[n:]
		var b []byte
		var v uint64
		switch typ {
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(msg)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(msg)
		default:
			n = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if n < 0 {
			return errProto
		}
		msg = msg[n:]
		if err := fn(num, b, v); err != nil {
			return err
		}
	}
	return nil
}

// decodeProto reads logproto.PushRequest.
func decodeProto(body []byte, b *builder) error {
	return fields(body, func(num protowire.Number, s []byte, _ uint64) error {
		if num != 1 {
			return nil
		}
		var text string
		var entries [][]byte
		err := fields(s, func(num protowire.Number, f []byte, _ uint64) error {
			switch num {
			case 1:
				text = string(f)
			case 2:
				entries = append(entries, f)
			}
			return nil
		})
		if err != nil {
			return err
		}
		ls, err := promparser.NewParser(promparser.Options{}).ParseMetric(text)
		if err != nil {
			return fmt.Errorf("labels %q are not of the form {a=\"b\"}", text)
		}
		if err := b.stream(ls); err != nil {
			return err
		}
		for _, e := range entries {
			if err := decodeEntry(e, b); err != nil {
				return err
			}
		}
		return nil
	})
}

func decodeEntry(e []byte, b *builder) error {
	var secs, nanos int64
	var line []byte
	var pairs [][2]string
	err := fields(e, func(num protowire.Number, f []byte, _ uint64) error {
		switch num {
		case 1:
			return fields(f, func(num protowire.Number, _ []byte, v uint64) error {
				switch num {
				case 1:
					secs = int64(v)
				case 2:
					nanos = int64(int32(v))
				}
				return nil
			})
		case 2:
			line = f
		case 3:
			var p [2]string
			err := fields(f, func(num protowire.Number, f []byte, _ uint64) error {
				if num == 1 || num == 2 {
					p[num-1] = string(f)
				}
				return nil
			})
			pairs = append(pairs, p)
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	if secs < 0 || secs > maxSeconds {
		return fmt.Errorf("timestamp of %d seconds is out of range", secs)
	}
	lr := b.line(secs*1e9+nanos, string(line))
	for _, p := range pairs {
		metadata(lr, p[0], p[1])
	}
	return nil
}
