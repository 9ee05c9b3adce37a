package longterm

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sort"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"hinomi/internal/store/metricstore/downsample"
)

// begin is the start of the test data: midnight, so that days are whole.
var begin = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// rawStore is a TSDB of blocks that a test wrote, as a source.
type rawStore struct {
	t       testing.TB
	db      *tsdb.DB
	settled int64
	hidden  int64 // what retention has deleted, inclusive
}

func newRaw(t testing.TB, series []storage.Series, blockRange int64, write ...func(dir string)) *rawStore {
	dir := t.TempDir()
	if len(series) > 0 {
		writeBlocks(t, dir, series, blockRange)
	}
	for _, w := range write {
		w(dir)
	}
	o := tsdb.DefaultOptions()
	o.RetentionDuration = 0
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.DisableCompactions()
	t.Cleanup(func() { _ = db.Close() })
	return &rawStore{t: t, db: db, settled: math.MaxInt64, hidden: math.MinInt64}
}

// writeBlocks writes samples in blocks of blockRange.
func writeBlocks(t testing.TB, dir string, series []storage.Series, blockRange int64) {
	byBlock := map[int64][]storage.Series{}
	for _, s := range series {
		parts := map[int64][]chunks.Sample{}
		it := s.Iterator(nil)
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			sample := downsample.Sample{Time: it.AtT()}
			if vt == chunkenc.ValFloat {
				_, sample.Value = it.At()
			} else {
				_, sample.Hist = it.AtFloatHistogram(nil)
			}
			parts[sample.Time/blockRange] = append(parts[sample.Time/blockRange], sample)
		}
		for b, samples := range parts {
			byBlock[b] = append(byBlock[b], storage.NewListSeries(s.Labels(), samples))
		}
	}
	for _, part := range byBlock {
		if _, err := tsdb.CreateBlock(part, dir, 4*blockRange, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rawStore) querier(mint, maxt int64) (storage.Querier, error) {
	return r.db.Querier(max(mint, r.hidden+1), maxt)
}

func (r *rawStore) source() Source {
	return Source{
		Querier: r.querier,
		Oldest: func() (int64, bool) {
			oldest, err := r.db.StartTime()
			return max(oldest, r.hidden+1), err == nil && oldest != math.MaxInt64
		},
		Settled: func() int64 { return r.settled },
		Delete: func(maxt int64, ms ...*labels.Matcher) error {
			return r.db.Delete(context.Background(), math.MinInt64, maxt, ms...)
		},
	}
}

// all is the raw data without any retention, which is the truth.
func (r *rawStore) all() storage.Queryable {
	return storage.QueryableFunc(r.db.Querier)
}

func openLong(t testing.TB, r *rawStore, now int64, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Dir: t.TempDir(), Source: r.source(), CPUShare: 1, Now: func() time.Time { return time.UnixMilli(now) }}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func step(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Step(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func newEngine(t testing.TB) *promql.Engine {
	e := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 100_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		EnableDelayedNameRemoval: true, Parser: parser.NewParser(parser.Options{}),
	})
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// answers runs a range query and returns value by "labels@time".
func answers(t testing.TB, e *promql.Engine, q storage.Queryable, query string, from, to, step int64) (map[string]float64, []string) {
	t.Helper()
	rq, err := e.NewRangeQuery(context.Background(), q, nil, query, time.UnixMilli(from), time.UnixMilli(to), time.Duration(step)*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer rq.Close()
	res := rq.Exec(context.Background())
	m, err := res.Matrix()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	out := map[string]float64{}
	for _, s := range m {
		for _, p := range s.Floats {
			out[fmt.Sprintf("%s@%d", s.Metric, p.T)] = p.F
		}
		for _, p := range s.Histograms {
			out[fmt.Sprintf("%s@%d count", s.Metric, p.T)] = p.H.Count
			out[fmt.Sprintf("%s@%d sum", s.Metric, p.T)] = p.H.Sum
		}
	}
	var notes []string
	for _, err := range res.Warnings.AsErrors() {
		notes = append(notes, err.Error())
	}
	sort.Strings(notes)
	return out, notes
}

// compare holds got against want: the same points, values within the relative
// bound.
func compare(t testing.TB, what string, got, want map[string]float64, bound float64) (worst float64) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: raw samples have no answer, so nothing is compared", what)
	}
	bad := 0
	for k, w := range want {
		g, ok := got[k]
		off := math.Abs(g-w) / max(math.Abs(w), 1e-9)
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			off = 0
		}
		worst = max(worst, off)
		if !ok || !(off <= bound) {
			if bad++; bad <= 3 {
				t.Errorf("%s: %s is %v (there: %t), raw samples say %v", what, k, g, ok, w)
			}
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			if bad++; bad <= 3 {
				t.Errorf("%s: %s is %v, raw samples have nothing", what, k, g)
			}
		}
	}
	return worst
}

func ts(t int64) string { return fmt.Sprint(t) }

func queryable(s *Store) storage.Queryable { return storage.QueryableFunc(s.Querier) }

func floats(ls labels.Labels, from, to, every int64, f func(t int64) float64) storage.Series {
	var out []chunks.Sample
	for t := from; t <= to; t += every {
		out = append(out, downsample.Sample{Time: t, Value: f(t)})
	}
	return storage.NewListSeries(ls, out)
}

func histograms(ls labels.Labels, from, to, every int64, f func(t int64) *histogram.FloatHistogram) storage.Series {
	var out []chunks.Sample
	for t := from; t <= to; t += every {
		out = append(out, downsample.Sample{Time: t, Hist: f(t)})
	}
	return storage.NewListSeries(ls, out)
}
