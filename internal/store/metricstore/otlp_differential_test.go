package metricstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"hinomi/internal/model"
	"hinomi/internal/store"
)

// appendTranslated is AppendOTLP with Prometheus' translation of the whole
// request, which the walk point by point must be equal to.
func appendTranslated(s *Store, md pmetric.Metrics) (store.WriteResult, error) {
	var res store.WriteResult
	s.screen(md, &res)
	points := md.DataPointCount()
	inner := &appenderV2{writer: s.newWriter(model.ScopeAll()), tx: s.db.AppenderV2(context.Background())}
	app := &otlpAppender{appenderV2: inner, res: &res}
	_, _ = prometheusremotewrite.NewPrometheusConverter(app).FromMetrics(context.Background(), md, otlpSettings())
	if app.fatal != nil {
		return res, errors.Join(app.fatal, inner.Rollback())
	}
	if err := inner.Commit(); err != nil {
		return res, err
	}
	res.Stored = app.stored
	res.Reject(store.RejectMalformed, points-app.stored-app.rejected, "lost")
	return res, nil
}

// otlpTraffic makes requests of every kind of good and bad points.
type otlpTraffic struct{ rnd *rand.Rand }

func (g *otlpTraffic) attributes(m pcommon.Map) {
	for range g.rnd.IntN(4) {
		switch g.rnd.IntN(9) {
		case 0:
			m.PutInt("status.code", int64(200+g.rnd.IntN(2)))
		case 1:
			m.PutBool("ok", g.rnd.IntN(2) == 0)
		case 2:
			m.PutDouble("ratio", float64(g.rnd.IntN(2))/2)
		case 3:
			m.PutEmptySlice("list").AppendEmpty().SetInt(int64(g.rnd.IntN(2)))
		case 4:
			m.PutStr("a.b", fmt.Sprint(g.rnd.IntN(2))) // the same label as the next
		case 5:
			m.PutStr("a_b", fmt.Sprint(g.rnd.IntN(2)))
		case 6:
			if g.rnd.IntN(8) == 0 {
				m.PutStr("bad", "\xff")
			}
		case 7:
			if g.rnd.IntN(20) == 0 {
				m.PutStr("", "x")
			}
		default:
			m.PutStr("route", fmt.Sprint("/", g.rnd.IntN(3)))
		}
	}
}

// at is mostly now; a point comes once in a request.
func (g *otlpTraffic) at(round int) pcommon.Timestamp {
	now := testNow.Add(-time.Hour + time.Duration(round)*15*time.Second)
	switch g.rnd.IntN(15) {
	case 0:
		return pcommon.NewTimestampFromTime(now.Add(-10 * time.Minute))
	case 1:
		return pcommon.NewTimestampFromTime(now.Add(-5 * time.Hour)) // older than the window of late samples
	case 2:
		return pcommon.NewTimestampFromTime(now.Add(48 * time.Hour))
	default:
		return pcommon.NewTimestampFromTime(now)
	}
}

func (g *otlpTraffic) flags() pmetric.DataPointFlags {
	return pmetric.DefaultDataPointFlags.WithNoRecordedValue(g.rnd.IntN(10) == 0)
}

func (g *otlpTraffic) exemplar(es pmetric.ExemplarSlice, at pcommon.Timestamp) {
	if g.rnd.IntN(6) == 0 {
		e := es.AppendEmpty()
		e.SetTimestamp(at)
		e.SetDoubleValue(float64(g.rnd.IntN(4)))
		e.SetTraceID([16]byte{byte(g.rnd.IntN(200) + 1)})
	}
}

func (g *otlpTraffic) numbers(points pmetric.NumberDataPointSlice, round int) {
	for i := range g.rnd.IntN(4) {
		p := points.AppendEmpty()
		p.SetTimestamp(g.at(round))
		g.attributes(p.Attributes())
		p.Attributes().PutInt("unique", int64(i))
		switch g.rnd.IntN(5) {
		case 0:
			p.SetIntValue(g.rnd.Int64N(5))
		case 1: // no value
		default:
			p.SetDoubleValue(float64(g.rnd.IntN(5)))
		}
		p.SetFlags(g.flags())
		if g.rnd.IntN(2) == 0 {
			p.SetStartTimestamp(pcommon.NewTimestampFromTime(testNow.Add(-2 * time.Hour)))
		}
		g.exemplar(p.Exemplars(), p.Timestamp())
	}
}

func (g *otlpTraffic) metric(m pmetric.Metric, round, index int) {
	m.SetName([]string{"http.requests", "temperature", "a", "1st", "size"}[g.rnd.IntN(5)] + fmt.Sprint(index))
	m.SetUnit([]string{"", "s", "By", "1"}[g.rnd.IntN(4)])
	m.SetDescription([]string{"", "What it is."}[g.rnd.IntN(2)])
	switch g.rnd.IntN(6) {
	case 0:
		g.numbers(m.SetEmptyGauge().DataPoints(), round)
	case 1:
		h := m.SetEmptyHistogram()
		h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for i := range g.rnd.IntN(3) {
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(g.at(round))
			g.attributes(p.Attributes())
			p.Attributes().PutInt("unique", int64(i))
			p.SetCount(uint64(g.rnd.IntN(10)))
			if g.rnd.IntN(3) > 0 {
				p.SetSum(float64(g.rnd.IntN(10)))
			}
			p.ExplicitBounds().FromRaw([]float64{0.5, 1, 2}[:g.rnd.IntN(4)])
			p.BucketCounts().FromRaw([]uint64{1, 2, 3, 4}[:g.rnd.IntN(5)])
			p.SetFlags(g.flags())
			g.exemplar(p.Exemplars(), p.Timestamp())
		}
	case 2:
		h := m.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := h.DataPoints().AppendEmpty()
		p.SetTimestamp(g.at(round))
		p.SetScale(3)
		p.SetCount(3)
		p.Positive().BucketCounts().FromRaw([]uint64{1, uint64(g.rnd.IntN(3))})
	case 3:
		p := m.SetEmptySummary().DataPoints().AppendEmpty()
		p.SetTimestamp(g.at(round))
		p.SetCount(3)
		q := p.QuantileValues().AppendEmpty()
		q.SetQuantile(0.5)
		q.SetValue(float64(g.rnd.IntN(5)))
	default:
		s := m.SetEmptySum()
		s.SetIsMonotonic(g.rnd.IntN(2) == 0)
		s.SetAggregationTemporality([]pmetric.AggregationTemporality{pmetric.AggregationTemporalityCumulative, pmetric.AggregationTemporalityCumulative, pmetric.AggregationTemporalityDelta}[g.rnd.IntN(3)])
		g.numbers(s.DataPoints(), round)
	}
}

func (g *otlpTraffic) request(round int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for i := range 1 + g.rnd.IntN(3) {
		rm := md.ResourceMetrics().AppendEmpty()
		a := rm.Resource().Attributes()
		if g.rnd.IntN(6) > 0 {
			a.PutStr("service.name", fmt.Sprint("s", i))
		}
		if g.rnd.IntN(2) == 0 {
			a.PutStr("service.instance.id", "i")
		}
		if g.rnd.IntN(2) == 0 {
			a.PutStr("host.name", "h")
		}
		if g.rnd.IntN(3) == 0 {
			a.PutStr("product", "shop")
		}
		for j := range 1 + g.rnd.IntN(2) {
			sm := rm.ScopeMetrics().AppendEmpty()
			sm.Scope().SetName("lib")
			for k := range g.rnd.IntN(5) {
				g.metric(sm.Metrics().AppendEmpty(), round, 10*j+k)
			}
		}
	}
	return md
}

// everything is all samples and exemplars as text.
func everything(t testing.TB, s *Store) map[string]int {
	t.Helper()
	q, err := s.Queryable(model.ScopeAll()).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := map[string]int{}
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".+"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for vt := it.Next(); vt != chunkenc.ValNone; vt = it.Next() {
			v := ""
			if vt == chunkenc.ValFloat {
				_, f := it.At()
				v = fmt.Sprintf("%x", math.Float64bits(f))
			} else {
				_, h := it.AtFloatHistogram(nil)
				v = h.String()
			}
			out[fmt.Sprint(set.At().Labels(), " ", it.AtT(), " ", it.AtST(), " ", v)]++
		}
	}
	e, err := s.Queryable(model.ScopeAll()).ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	found, err := e.Select(math.MinInt64, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".+")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		for _, x := range r.Exemplars {
			out[fmt.Sprint(r.SeriesLabels, " exemplar ", x.Labels, x.Value, x.Ts)]++
		}
	}
	for family, m := range s.Metadata(model.ScopeAll(), "") {
		for _, one := range m {
			out[fmt.Sprint("metadata ", family, one)]++
		}
	}
	return out
}

func compareOTLP(t *testing.T, seed uint64, rounds int) {
	got, want := openTest(t, t.TempDir()), openTest(t, t.TempDir())
	g := &otlpTraffic{rnd: rand.New(rand.NewPCG(seed, 3))}
	var last pmetric.Metrics
	for round := range rounds {
		md := g.request(round)
		if round > 0 && g.rnd.IntN(5) == 0 {
			md = last // a sender's retry
		}
		last = pmetric.NewMetrics()
		md.CopyTo(last)
		other := pmetric.NewMetrics()
		md.CopyTo(other)
		a, errA := got.AppendOTLP(context.Background(), model.ScopeAll(), md)
		b, errB := appendTranslated(want, other)
		if (errA == nil) != (errB == nil) || a.Stored != b.Stored || !maps.Equal(a.Rejected, b.Rejected) {
			t.Fatalf("seed %d, round %d: %+v %v, translated whole %+v %v", seed, round, a, errA, b, errB)
		}
	}
	a, b := everything(t, got), everything(t, want)
	for _, line := range slices.Sorted(maps.Keys(b)) {
		if a[line] != b[line] {
			t.Errorf("seed %d: %d times instead of %d: %s", seed, a[line], b[line], line)
		}
	}
	for line := range a {
		if b[line] == 0 {
			t.Errorf("seed %d: only point by point: %s", seed, line)
		}
	}
	if len(b) < 50 || len(got.recipes.young) < 10 {
		t.Errorf("%d lines, %d recipes: the traffic tests nothing", len(b), len(got.recipes.young))
	}
}

func TestOTLPSameAsTranslation(t *testing.T) {
	for seed := range uint64(8) {
		compareOTLP(t, seed, 60)
	}
}

// FuzzOTLPSameAsTranslation does the same with other traffic.
func FuzzOTLPSameAsTranslation(f *testing.F) {
	f.Add(uint64(100))
	f.Fuzz(func(t *testing.T, seed uint64) { compareOTLP(t, seed, 60) })
}

func TestRecipesAreBounded(t *testing.T) {
	c := newRecipes(100)
	hot := recipeKey{1, 1}
	c.put(hot, &recipe{series: make([]recipeSeries, 1)})
	for i := range uint64(1000) {
		c.put(recipeKey{2, i}, &recipe{series: make([]recipeSeries, 5)})
		if c.get(hot) == nil {
			t.Fatalf("after %d others the recipe in use is gone", i)
		}
		n := 0
		for _, g := range []map[recipeKey]*recipe{c.young, c.old} {
			for _, r := range g {
				n += len(r.series)
			}
		}
		if n > 100 {
			t.Fatalf("%d series, the bound is 100", n)
		}
	}
}
