package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"hinomi/internal/model"
)

// oracle is Prometheus' own handler on a plain TSDB.
type oracle struct {
	db *tsdb.DB
	http.Handler
}

func newOracle(t testing.TB) *oracle {
	o := tsdb.DefaultOptions()
	o.OutOfOrderTimeWindow = (30 * time.Minute).Milliseconds()
	o.EnableExemplarStorage, o.MaxExemplars = true, 100_000
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), prometheus.NewRegistry(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &oracle{db, remote.NewWriteHandler(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), db,
		remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}, false, false, false)}
}

func (o *oracle) post(body []byte, contentType string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Content-Encoding", "snappy")
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w
}

// everything is all samples and exemplars of a store as text, one a line.
func everything(t testing.TB, q storage.Querier, e storage.ExemplarQuerier) (out []string) {
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			v := ""
			switch vt {
			case chunkenc.ValFloat:
				_, f := it.At()
				v = fmt.Sprintf("%x", math.Float64bits(f))
			case chunkenc.ValHistogram:
				_, h := it.AtHistogram(nil)
				v = "int " + h.String()
			case chunkenc.ValFloatHistogram:
				_, h := it.AtFloatHistogram(nil)
				v = "float " + h.String()
			}
			out = append(out, fmt.Sprintf("%s %d %s", set.At().Labels(), it.AtT(), v))
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	found, err := e.Select(math.MinInt64, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		for _, x := range r.Exemplars {
			out = append(out, fmt.Sprintf("%s exemplar %s %v %d", r.SeriesLabels, x.Labels, x.Value, x.Ts))
		}
	}
	return out
}

func (o *oracle) everything(t testing.TB) []string {
	q, err := o.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	e, err := o.db.ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return everything(t, q, e)
}

func (in *intake) everything(t testing.TB) []string {
	q, err := in.store.Queryable(model.ScopeAll()).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	e, err := in.store.Queryable(model.ScopeAll()).ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return everything(t, q, e)
}

// traffic makes requests of every kind of good and bad series.
type traffic struct {
	rnd  *rand.Rand
	base int64 // ms
	last *prompb.WriteRequest
}

// labelSets are the identities that the requests use again and again: in order,
// out of order, with an empty value, without a name, with a name twice, with
// invalid UTF-8, and with values longer than one byte of length.
var labelSets = [][]string{
	{"__name__", "a"}, {"__name__", "a", "x", "1"}, {"x", "1", "__name__", "a"}, {"__name__", "a", "x", ""}, {"x", "1"}, {"__name__", ""},
	{"__name__", "a", "x", "1", "x", "1"}, {"__name__", "a", "x", "1", "x", "2"}, {"__name__", "a", "x", "\xff"}, {"__name__", "a", "", "v"},
	{"__name__", "long", "x", string(bytes.Repeat([]byte("v"), 300))}, {"__name__", "h"}, {"__name__", "h", "x", "2"}, {"__name__", "fh"}, {},
	{"__name__", "b", "x", "y"}, {"__name__", "b", "xy", ""}, {"__name__", "日本", "x", "ö"},
}

func (tr *traffic) at(round int) int64 {
	now := tr.base + int64(round)*15_000
	switch tr.rnd.IntN(12) {
	case 0:
		return now - 60_000 - tr.rnd.Int64N(120_000) // out of order, within the window
	case 1:
		return now - 4*3600_000 // too old
	case 2:
		return time.Now().Add(24 * time.Hour).UnixMilli()
	default:
		return now
	}
}

func (tr *traffic) value() float64 {
	switch tr.rnd.IntN(8) {
	case 0:
		return math.Float64frombits(value.StaleNaN)
	case 1:
		return 0
	default:
		return float64(tr.rnd.IntN(3))
	}
}

func (tr *traffic) histogram() *histogram.Histogram {
	h := tsdbutil.GenerateTestHistogram(tr.rnd.Int64N(5))
	switch tr.rnd.IntN(6) {
	case 0:
		h.Count++ // does not fit its buckets
	case 1:
		h = tsdbutil.GenerateTestCustomBucketsHistogram(tr.rnd.Int64N(5))
	}
	return h
}

func (tr *traffic) series(round, index int) prompb.TimeSeries {
	ts := prompb.TimeSeries{Labels: pairs(labelSets[index]...)}
	switch kind := tr.rnd.IntN(10); {
	case kind == 0:
		ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(tr.at(round), tr.histogram()))
	case kind == 1:
		ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(tr.at(round), tr.histogram().ToFloat(nil)))
	case kind == 2:
		ts.Labels = pairs("__name__", "two", "x", fmt.Sprint(index))
		for i := range int64(2) {
			ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: tr.at(round) + i, Value: tr.value()})
		}
	default:
		ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: tr.at(round), Value: tr.value()})
	}
	return ts
}

func (tr *traffic) request(round int) *prompb.WriteRequest {
	if tr.last != nil && tr.rnd.IntN(6) == 0 {
		return tr.last // a sender's retry
	}
	req := &prompb.WriteRequest{}
	// A series comes once in a request: which of two values of one time is kept,
	// and which is read, depends in the TSDB on transactions and chunk borders.
	seen := map[string]bool{}
	for _, i := range tr.rnd.Perm(len(labelSets))[:1+tr.rnd.IntN(10)] {
		identity := labels.FromStrings(labelSets[i]...).WithoutEmpty().String()
		if seen[identity] {
			continue
		}
		seen[identity] = true
		req.Timeseries = append(req.Timeseries, tr.series(round, i))
	}
	tr.last = req
	return req
}

// compareV1 sends the same requests to both. Prometheus gives a request up at
// its first bad sample, ours keeps the good ones, so it is compared with
// Prometheus getting the samples of such a request one by one.
func compareV1(t *testing.T, seed uint64, rounds int) {
	in, want := newIntake(t, model.ScopeAll()), newOracle(t)
	tr := &traffic{rnd: rand.New(rand.NewPCG(seed, 1)), base: time.Now().Add(-time.Hour).UnixMilli()}
	for round := range rounds {
		req := tr.request(round)
		if tr.rnd.IntN(4) == 0 { // Prometheus sends exemplars as series of their own
			req.Timeseries = append(req.Timeseries, prompb.TimeSeries{Labels: pairs("__name__", "ex"), Samples: []prompb.Sample{{Timestamp: tr.base + int64(round)*15_000, Value: 1}}},
				prompb.TimeSeries{Labels: pairs("__name__", "ex"), Exemplars: []prompb.Exemplar{{Labels: pairs("trace_id", fmt.Sprint(round)), Value: 1, Timestamp: tr.base + int64(round)*1000}}})
		}
		body := encode(t, req)
		got := in.post(body, "")
		if got.Code >= 500 {
			t.Fatalf("round %d: %d %s", round, got.Code, got.Body)
		}
		if want.post(body, "application/x-protobuf").Code/100 == 2 {
			continue
		}
		for _, ts := range req.Timeseries {
			for _, s := range ts.Samples {
				want.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: ts.Labels, Samples: []prompb.Sample{s}}}}), "application/x-protobuf")
			}
			for _, h := range ts.Histograms {
				want.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: ts.Labels, Histograms: []prompb.Histogram{h}}}}), "application/x-protobuf")
			}
			if len(ts.Exemplars) > 0 {
				want.post(encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: ts.Labels, Exemplars: ts.Exemplars}}}), "application/x-protobuf")
			}
		}
	}
	sameLines(t, in.everything(t), want.everything(t))
	if in.cache.size() == 0 {
		t.Error("the cache was not in use")
	}
}

func TestSameAsPrometheusV1(t *testing.T) {
	for seed := range uint64(6) {
		compareV1(t, seed, 60)
	}
}

// v2Of is req in version 2, with symbols in a random order and a start
// timestamp on some samples.
func (tr *traffic) v2Of(req *prompb.WriteRequest, round int) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	for range tr.rnd.IntN(4) {
		symbols.Symbolize(fmt.Sprint("filler", tr.rnd.IntN(100)))
	}
	out := &writev2.Request{}
	for _, ts := range req.Timeseries {
		s := writev2.TimeSeries{}
		for _, l := range ts.Labels {
			s.LabelsRefs = append(s.LabelsRefs, symbols.Symbolize(l.Name), symbols.Symbolize(l.Value))
		}
		for _, v := range ts.Samples {
			st := int64(0)
			if tr.rnd.IntN(3) == 0 {
				st = v.Timestamp - 1000
			}
			s.Samples = append(s.Samples, writev2.Sample{Timestamp: v.Timestamp, Value: v.Value, StartTimestamp: st})
		}
		for _, h := range ts.Histograms {
			if h.IsFloatHistogram() {
				s.Histograms = append(s.Histograms, writev2.FromFloatHistogram(h.Timestamp, h.ToFloatHistogram()))
			} else {
				s.Histograms = append(s.Histograms, writev2.FromIntHistogram(h.Timestamp, h.ToIntHistogram()))
			}
		}
		if len(ts.Labels) > 1 && ts.Labels[0].Value == "b" && len(ts.Samples) > 0 && !value.IsStaleNaN(ts.Samples[0].Value) {
			s.Metadata = writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("Help of b."), UnitRef: symbols.Symbolize("s")}
		}
		out.Timeseries = append(out.Timeseries, s)
	}
	if tr.rnd.IntN(5) == 0 {
		out.Timeseries = append(out.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{1, 9999}, Samples: []writev2.Sample{{Timestamp: tr.base, Value: 1}}},
			writev2.TimeSeries{LabelsRefs: []uint32{1}, Samples: []writev2.Sample{{Timestamp: tr.base, Value: 1}}})
	}
	out.Timeseries = append(out.Timeseries, writev2.TimeSeries{
		LabelsRefs: []uint32{symbols.Symbolize("__name__"), symbols.Symbolize("e")},
		Samples:    []writev2.Sample{{Timestamp: tr.base + int64(round)*15_000, Value: 1}},
		Exemplars:  []writev2.Exemplar{{LabelsRefs: []uint32{symbols.Symbolize("trace_id"), symbols.Symbolize(fmt.Sprint(round))}, Value: 1, Timestamp: tr.base + int64(round)*15_000}},
	})
	out.Symbols = symbols.Symbols()
	return out
}

func compareV2(t *testing.T, seed uint64, rounds int) {
	in, want := newIntake(t, model.ScopeAll()), newOracle(t)
	tr := &traffic{rnd: rand.New(rand.NewPCG(seed, 2)), base: time.Now().Add(-time.Hour).UnixMilli()}
	for round := range rounds {
		body := encode(t, tr.v2Of(tr.request(round), round))
		got, wanted := in.post(body, contentV2), want.post(body, contentV2)
		if got.Code != wanted.Code {
			t.Fatalf("round %d: %d %s, want %d %s", round, got.Code, got.Body, wanted.Code, wanted.Body)
		}
		for _, h := range []string{"Samples", "Histograms", "Exemplars"} {
			h = "X-Prometheus-Remote-Write-" + h + "-Written"
			if got.Header().Get(h) != wanted.Header().Get(h) {
				t.Errorf("round %d: %s is %s, want %s", round, h, got.Header().Get(h), wanted.Header().Get(h))
			}
		}
	}
	sameLines(t, in.everything(t), want.everything(t))
	if in.cache.size() == 0 {
		t.Error("the cache was not in use")
	}
	if m := in.store.Metadata(model.ScopeAll(), "b")["b"]; len(m) != 1 || m[0].Help != "Help of b." || m[0].Unit != "s" {
		t.Errorf("metadata %v", m)
	}
}

func TestSameAsPrometheusV2(t *testing.T) {
	for seed := range uint64(6) {
		compareV2(t, seed, 60)
	}
}

// FuzzSameAsPrometheus does the same with other traffic.
func FuzzSameAsPrometheus(f *testing.F) {
	f.Add(uint64(100), true)
	f.Add(uint64(101), false)
	f.Fuzz(func(t *testing.T, seed uint64, v2 bool) {
		if v2 {
			compareV2(t, seed, 20)
		} else {
			compareV1(t, seed, 20)
		}
	})
}

// sameLines reports the lines that only one of the two has.
func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	count := map[string]int{}
	for _, l := range got {
		count[l]++
	}
	for _, l := range want {
		count[l]--
	}
	for l, n := range count {
		if n > 0 {
			t.Errorf("only ours has %s", l)
		} else if n < 0 {
			t.Errorf("only Prometheus has %s", l)
		}
	}
	if !t.Failed() && !slices.Equal(got, want) {
		t.Error("the order differs")
	}
	if len(want) < 10 {
		t.Errorf("only %d lines: the traffic tests nothing", len(want))
	}
}

// TestLabelsBehindSamples has label fields in places where no sender puts them:
// the cache must not take the leading ones for all of them.
func TestLabelsBehindSamples(t *testing.T) {
	in, base := newIntake(t, model.ScopeAll()), time.Now().Add(-time.Minute)
	whole := func(value string, at int64) []byte {
		a, b := prompb.TimeSeries{Labels: pairs("__name__", "a"), Samples: []prompb.Sample{{Timestamp: at, Value: 1}}}, prompb.TimeSeries{Labels: pairs("x", value)}
		ab, err := a.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		bb, err := b.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		one := append(ab, bb...)
		return snappy.Encode(nil, append([]byte{0x0a, byte(len(one))}, one...))
	}
	plain := func(at int64) []byte {
		return encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: pairs("__name__", "a"), Samples: []prompb.Sample{{Timestamp: at, Value: 2}}}}})
	}
	for i := range int64(4) {
		for _, body := range [][]byte{plain(base.UnixMilli() + i), whole("1", base.UnixMilli()+i), whole("2", base.UnixMilli()+i)} {
			if w := in.post(body, ""); w.Code != http.StatusNoContent {
				t.Fatal(w.Code, w.Body)
			}
		}
	}
	var want []string
	for _, s := range []string{`{__name__="a"}@%d=2 st=0`, `{__name__="a", x="1"}@%d=1 st=0`, `{__name__="a", x="2"}@%d=1 st=0`} {
		for i := range 4 {
			want = append(want, fmt.Sprintf(s, i))
		}
	}
	expect(t, in.query(t, model.ScopeAll(), base), want...)
}
