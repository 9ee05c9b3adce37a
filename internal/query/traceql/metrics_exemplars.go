package traceql

import (
	"math"
	"strconv"
	"strings"
	"time"

	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// perSlot is how many exemplars a part of the range gets, so that they spread
// over time.
const perSlot = 2

// slots tell where exemplars are still wanted.
type slots struct {
	w     window
	count []int
	total int
	limit int
	seen  map[string]bool // traces: each gives one exemplar
}

func newSlots(w window, limit int) *slots {
	return &slots{w: w, count: make([]int, max(1, limit/perSlot)), limit: limit, seen: map[string]bool{}}
}

func (s *slots) slot(ts int64) int {
	n := int64(len(s.count))
	width := max(1, (s.w.end-s.w.start+n-1)/n)
	return int(min(n-1, max(0, (ts-s.w.start-1)/width)))
}

func (s *slots) wants(ts int64) bool {
	if _, ok := s.w.at(ts); !ok {
		return false
	}
	return s.total < s.limit && s.count[s.slot(ts)] < perSlot
}

// full tells whether nothing is wanted of [lo, hi].
func (s *slots) full(lo, hi int64) bool {
	if s.total >= s.limit {
		return true
	}
	for i := s.slot(lo); i <= s.slot(hi); i++ {
		if s.count[i] < perSlot {
			return false
		}
	}
	return true
}

// take claims a place for a span of a trace.
func (s *slots) take(ts int64, trace string) bool {
	if !s.wants(ts) || s.seen[trace] {
		return false
	}
	s.seen[strings.Clone(trace)] = true
	s.count[s.slot(ts)]++
	s.total++
	return true
}

// sampled is an exemplar that has not found its series yet.
type sampled struct {
	Exemplar
	key string // groupKey of its group
}

// groupKey joins the keys of a group.
func groupKey(key []store.Value) string {
	var b strings.Builder
	for _, k := range key {
		b.WriteString(encodeKey(decodeKey(k)) + "\x01")
	}
	return b.String()
}

// sample looks for exemplars with a scan of its own: it needs ids, which are
// dear to read, but only of a few spans.
func (m *metrics) sample(a *MetricsAgg, scan plan.Scan, stages []plan.Stage, first int) ([]sampled, error) {
	l := layout{refs: scan.Columns}
	trace, span := l.add(store.Col(store.ColTraceID)), l.add(store.Col(store.ColSpanID))
	shift := len(l.refs) - len(scan.Columns)
	scan.Columns = l.refs
	sl := newSlots(m.w, m.exemplars)
	var out []sampled
	stats, partial, err := plan.EachUnless(m.ctx, m.e.o.Store, m.scope, scan, sl.full, stages, func(f *plan.Frame) error {
		for i := range f.Rows() {
			r := f.Row(i)
			ts := f.Cols[0].Ints[r]
			if !sl.wants(ts) || !sl.take(ts, f.Cols[trace].Str(r)) {
				continue
			}
			e := Exemplar{Value: math.NaN(), Ts: ts / int64(time.Millisecond), Labels: []Named{
				{"trace:id", strStatic(hexText(f.Cols[trace].Str(r)))}, {"span:id", strStatic(hexText(f.Cols[span].Str(r)))},
			}}
			out = append(out, a.sampled(e, f.Cols[first+shift:], r))
		}
		if sl.total >= sl.limit {
			return store.ErrStop
		}
		return nil
	})
	return out, m.note(stats, partial, err)
}

// sampled completes an exemplar with the group and the value that the derived
// columns hold.
func (a *MetricsAgg) sampled(e Exemplar, derived []store.Vec, r int) sampled {
	var key []store.Value
	for i := range a.By {
		key = append(key, derived[i].Value(r))
	}
	if n := len(a.By); a.Op == "histogram_over_time" {
		key = append(key, derived[n].Value(r))
	} else if a.Op == "quantile_over_time" {
		// The bucket's end stands for the value, as it does for the quantile.
		code, _ := strconv.Atoi(derived[n].Str(r))
		e.Value = bucketValue(a.Attr, code)
	} else if a.Attr != nil {
		e.Value = math.NaN()
		if !derived[n].Null(r) {
			e.Value = derived[n].Floats[r]
		}
	}
	return sampled{Exemplar: e, key: groupKey(key)}
}

// attachSamples puts exemplars on their series: of quantiles on the one whose
// value is nearest.
func attachSamples(a *MetricsAgg, set []Series, samples []sampled) {
	if len(samples) == 0 {
		return
	}
	byKey := map[string][]int{}
	for i, s := range set {
		byKey[seriesKey(a, s)] = append(byKey[seriesKey(a, s)], i)
	}
	for _, e := range samples {
		best, distance := -1, math.Inf(1)
		for _, i := range byKey[e.key] {
			d := 0.0
			if a.Op == "quantile_over_time" {
				d = nearest(set[i].Values, e.Value)
			}
			if d < distance {
				best, distance = i, d
			}
		}
		if best >= 0 {
			set[best].Exemplars = append(set[best].Exemplars, e.Exemplar)
		}
	}
}

func nearest(values []float64, v float64) float64 {
	best := math.MaxFloat64
	for _, x := range values {
		if d := math.Abs(x - v); x != 0 && d < best {
			best = d
		}
	}
	return best
}

// seriesKey is the groupKey of the group a series was made from.
func seriesKey(a *MetricsAgg, s Series) string {
	var b strings.Builder
	for _, by := range a.By {
		v := Static{}
		for _, l := range s.Labels {
			if l.Name == labelName(by) {
				v = l.Val
			}
		}
		b.WriteString(encodeKey(v) + "\x01")
	}
	if a.Op == "histogram_over_time" {
		for code := range maxBucket + 1 {
			if l := s.Labels[len(s.Labels)-1]; bucketValue(a.Attr, code) == l.Val.Flt {
				b.WriteString(strconv.Itoa(code) + "\x01")
				break
			}
		}
	}
	return b.String()
}
