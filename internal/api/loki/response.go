package loki

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/query/logql"
	"hinomi/internal/query/plan"
)

type response struct {
	Status   string   `json:"status"`
	Data     data     `json:"data"`
	Warnings []string `json:"warnings,omitempty"`
}

type data struct {
	ResultType    string   `json:"resultType"`
	EncodingFlags []string `json:"encodingFlags,omitempty"`
	Result        any      `json:"result"`
	Stats         stats    `json:"stats"`
}

type stream struct {
	Stream map[string]string `json:"stream"`
	Values []any             `json:"values"`
}

type series struct {
	Metric map[string]string `json:"metric"`
	Values []point           `json:"values,omitempty"`
	Value  *point            `json:"value,omitempty"`
}

// point is [unix seconds, "value"].
type point struct {
	ts  int64 // ns
	val float64
}

func (p point) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	ms := p.ts / 1e6
	b = strconv.AppendInt(b, ms/1000, 10)
	if frac := ms % 1000; frac != 0 {
		b = strconv.AppendFloat(b[:1], float64(ms)/1000, 'f', -1, 64)
	}
	b = append(b, ',', '"')
	b = strconv.AppendFloat(b, p.val, 'f', -1, 64)
	return append(b, '"', ']'), nil
}

func labelMap(ls ...labels.Labels) map[string]string {
	m := map[string]string{}
	for _, l := range ls {
		l.Range(func(l labels.Label) { m[l.Name] = l.Value })
	}
	return m
}

func writeResult(w http.ResponseWriter, r logql.Result, categorized bool, took time.Duration) error {
	out := response{Status: "success", Data: data{ResultType: string(r.Kind)}, Warnings: r.Warnings}
	entries := 0
	switch r.Kind {
	case logql.Streams:
		for _, s := range r.Streams {
			entries += len(s.Entries)
		}
		if categorized {
			out.Data.EncodingFlags = []string{"categorize-labels"}
			out.Data.Result = categorizedStreams(r.Streams)
		} else {
			out.Data.Result = flatStreams(r.Streams)
		}
	case logql.Scalar:
		out.Data.Result = point{r.Start, r.Scalar}
	default:
		out.Data.Result = metricSeries(r)
	}
	out.Data.Stats = makeStats(r.Stats, entries, took)
	return writeJSON(w, out)
}

func metricSeries(r logql.Result) []series {
	list := make([]series, 0, len(r.Series))
	for _, s := range r.Series {
		x := series{Metric: labelMap(s.Labels)}
		for i, v := range s.Values {
			if plan.IsAbsent(v) {
				continue
			}
			x.Values = append(x.Values, point{r.Start + int64(i)*r.Step, v})
		}
		if r.Kind == logql.Vector {
			x.Value, x.Values = &x.Values[0], nil
		}
		list = append(list, x)
	}
	return list
}

// categorizedStreams keeps stream labels apart from what a line has of its own.
func categorizedStreams(in []logql.Stream) []stream {
	out := make([]stream, 0, len(in))
	for _, s := range in {
		x := stream{Stream: labelMap(s.Labels)}
		for _, e := range s.Entries {
			own := map[string]map[string]string{}
			if !e.Metadata.IsEmpty() {
				own["structuredMetadata"] = labelMap(e.Metadata)
			}
			if !e.Parsed.IsEmpty() {
				own["parsed"] = labelMap(e.Parsed)
			}
			x.Values = append(x.Values, [3]any{strconv.FormatInt(e.Ts, 10), e.Line, own})
		}
		out = append(out, x)
	}
	return out
}

// flatStreams makes a stream of every set of labels, those of the lines
// included. Lines keep their order.
func flatStreams(in []logql.Stream) []stream {
	out := []stream{}
	at := map[string]int{}
	for _, s := range in {
		for _, e := range s.Entries {
			m := labelMap(s.Labels, e.Metadata, e.Parsed)
			k, _ := json.Marshal(m)
			i, ok := at[string(k)]
			if !ok {
				i = len(out)
				at[string(k)] = i
				out = append(out, stream{Stream: m})
			}
			out[i].Values = append(out[i].Values, [2]string{strconv.FormatInt(e.Ts, 10), e.Line})
		}
	}
	return out
}
