package tracestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/columnar"
)

// requirement is the policy of requirement T2.
func requirement() SamplingPolicy {
	return SamplingPolicy{
		Grace: time.Hour, Default: 0.05, Errors: 1,
		Slow:     []SlowShare{{2 * time.Second, 1}, {500 * time.Millisecond, 0.5}},
		Services: []ServiceShare{{"payment-*", 0.1}, {"matching-*", 0.1}},
	}
}

// simTrace is a trace of the simulated company, and what should become of it.
type simTrace struct {
	id    [16]byte
	spans int
	late  int // of the spans, those that come when the others were sampled
	share float64
	head  float64
	sent  bool // the head sampler let it through
}

// simulation is a store and the truth about what was done in the company.
type simulation struct {
	sampler *columnar.Sampler
	rng     *rand.Rand
	clock   time.Time
	store   *Store
	traces  []*simTrace
	nextID  uint64
}

func (s *simulation) open(t *testing.T, p SamplingPolicy) {
	t.Helper()
	var err error
	s.store, err = Open(columnar.Options{FS: vfs.NewMem(), Dir: "/spans", Now: func() time.Time { return s.clock }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.sampler, err = NewSampler(p); err != nil {
		t.Fatal(err)
	}
}

// apply samples what is stored. The policy is in force from the first time on: the
// table's own maintenance must not decide about traces that are half sent.
func (s *simulation) apply() error {
	return errors.Join(s.store.SetPolicy(columnar.Policy{Sampler: s.sampler}), s.store.ApplyPolicy())
}

// trace makes the spans of one trace, each in one of the requests.
func (s *simulation) trace(at time.Time, requests []ptrace.Traces, late ptrace.Traces) {
	tr := &simTrace{spans: 1 + s.rng.IntN(8), share: 0.05, head: 1, sent: true}
	binary.BigEndian.PutUint64(tr.id[:], s.rng.Uint64())
	binary.BigEndian.PutUint64(tr.id[8:], s.rng.Uint64())
	s.traces = append(s.traces, tr)
	state := ""
	if s.rng.IntN(5) == 0 {
		// Half of these were rejected where they began: threshold 0x8.
		tr.head, state = 0.5, "vendor=x,ot=th:8"
		tr.sent = binary.BigEndian.Uint64(tr.id[8:])&(1<<56-1) >= 1<<55
	}
	kind := s.rng.IntN(100)
	odd := s.rng.IntN(tr.spans) // the span that is slow or failed
	for i := range tr.spans {
		service := []string{"gateway", "web", "search", "payment-api", "matching-engine"}[s.rng.IntN(5)]
		comesLate := i != odd && i > 0 && s.rng.IntN(10) == 0
		if comesLate {
			service = "web" // What would raise the share comes in time.
		}
		if strings.Contains(service, "-") {
			tr.share = max(tr.share, 0.1)
		}
		duration, status := time.Duration(s.rng.IntN(400))*time.Millisecond, ptrace.StatusCodeOk
		if i == odd {
			switch {
			case kind < 2:
				status, tr.share = ptrace.StatusCodeError, 1
			case kind < 4:
				duration, tr.share = 2*time.Second, 1
			case kind < 12:
				duration, tr.share = 700*time.Millisecond, max(tr.share, 0.5)
			}
		}
		to := requests[s.rng.IntN(len(requests))]
		if comesLate {
			to = late
			tr.late++
		}
		if !tr.sent {
			continue
		}
		rs := to.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		sp.SetTraceID(tr.id)
		s.nextID++
		sp.SetSpanID(id8(int(s.nextID)))
		sp.SetName("op")
		sp.TraceState().FromRaw(state)
		start := at.Add(time.Duration(i) * 10 * time.Millisecond)
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(duration)))
		sp.Status().SetCode(status)
	}
}

func (s *simulation) send(t *testing.T, td ptrace.Traces) {
	t.Helper()
	n := td.SpanCount()
	res, err := s.store.AppendTraces(t.Context(), model.ScopeAll(), td)
	if err == nil {
		err = s.store.Flush()
	}
	if err != nil || res.Stored != n {
		t.Fatalf("%v, %+v of %d", err, res, n)
	}
}

// kept is what is stored of a trace.
type kept struct {
	spans  int
	weight float64 // sum
}

func (s *simulation) kept(t *testing.T) map[[16]byte]kept {
	t.Helper()
	out := map[[16]byte]kept{}
	_, err := s.store.Scan(t.Context(), model.ScopeAll(), store.ScanRequest{To: 1 << 62, Columns: []store.ColumnRef{store.Col(store.ColTraceID), store.Col(store.ColWeight)}}, func(b *store.Batch) error {
		for i := range b.N {
			id := [16]byte(traceID(b.Cols[0].Str(i)))
			k := out[id]
			w := b.Cols[1].Value(i).Flt
			if w <= 0 {
				return fmt.Errorf("a span of %x has weight %g", id, w)
			}
			k.spans, k.weight = k.spans+1, k.weight+w
			out[id] = k
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// run sends the traces of some hours in small requests, each of which becomes a
// segment, samples, sends the late spans, and samples again.
func (s *simulation) run(t *testing.T, traces int) {
	start := now.Add(-20 * time.Hour)
	late := ptrace.NewTraces()
	for batch := range 6 {
		requests := []ptrace.Traces{ptrace.NewTraces(), ptrace.NewTraces(), ptrace.NewTraces()}
		for range traces / 6 {
			// Some cross midnight, and so a partition.
			s.trace(start.Add(time.Duration(batch)*2*time.Hour+time.Duration(s.rng.IntN(7200))*time.Second), requests, late)
		}
		for _, td := range requests {
			s.send(t, td)
		}
	}
	if err := s.apply(); err != nil {
		t.Fatal(err)
	}
	s.send(t, late)
	if err := s.apply(); err != nil {
		t.Fatal(err)
	}
}

// TestSampledTracesAreWholeAndCountRight simulates a company and compares what
// is left, and the counts by weight, with what really happened.
func TestSampledTracesAreWholeAndCountRight(t *testing.T) {
	for seed := range uint64(3) {
		s := &simulation{rng: rand.New(rand.NewPCG(seed, 4)), clock: now}
		s.open(t, requirement())
		s.run(t, 6000)
		have := s.kept(t)
		sum := map[string][3]float64{} // estimate, truth, variance
		note := func(group string, est, truth, variance float64) {
			x := sum[group]
			sum[group] = [3]float64{x[0] + est, x[1] + truth, x[2] + variance}
		}
		storedSpans, keptSpans := 0, 0
		for _, tr := range s.traces {
			k, there := have[tr.id]
			if there && k.spans != tr.spans {
				t.Fatalf("of trace %x %d of %d spans are there (%d came late)", tr.id, k.spans, tr.spans, tr.late)
			}
			p := min(tr.share, tr.head)
			if tr.sent && tr.share >= tr.head && !there {
				t.Fatalf("trace %x, share %g, head sampled at %g, is lost", tr.id, tr.share, tr.head)
			}
			if want := float64(tr.spans) / p; there && math.Abs(k.weight-want) > 1e-6*want {
				t.Fatalf("trace %x of %d spans at %g has weight %g", tr.id, tr.spans, p, k.weight)
			}
			n := float64(tr.spans)
			for _, group := range []string{"all", fmt.Sprint("share ", tr.share), fmt.Sprint("head ", tr.head)} {
				note(group, k.weight, n, n*n*(1-p)/p)
			}
			if tr.sent {
				storedSpans += tr.spans
			}
			keptSpans += k.spans
		}
		for group, x := range sum {
			// 4 standard deviations: 1 of 16,000 right samplers fails.
			if math.Abs(x[0]-x[1]) > 4*math.Sqrt(x[2])+1e-6*x[1] {
				t.Errorf("seed %d, %s: %0.f spans by weight, %0.f were there, deviation %0.1f", seed, group, x[0], x[1], math.Sqrt(x[2]))
			}
		}
		if len(sum) != 7 || keptSpans*4 > storedSpans || keptSpans*10 < storedSpans {
			t.Errorf("%d of %d spans were kept, groups %v", keptSpans, storedSpans, sum)
		}
	}
}

func TestExemplarsKeepTheirTraceAndLateErrorsAreKept(t *testing.T) {
	s := &simulation{rng: rand.New(rand.NewPCG(7, 7)), clock: now}
	p := requirement()
	p.Default, p.Services, p.Slow = 0, nil, nil
	named := [16]byte(id16(3))
	p.Keep = func(id [16]byte) bool { return id == named }
	s.open(t, p)
	send := func(n int, status ptrace.StatusCode) {
		td := ptrace.NewTraces()
		sp := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		sp.SetTraceID(id16(n))
		s.nextID++
		sp.SetSpanID(id8(int(s.nextID)))
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-5 * time.Hour)))
		sp.SetEndTimestamp(sp.StartTimestamp() + 1000)
		sp.Status().SetCode(status)
		s.send(t, td)
	}
	for n := range 6 {
		send(n, ptrace.StatusCodeOk)
	}
	send(5, ptrace.StatusCodeError)
	if err := s.apply(); err != nil {
		t.Fatal(err)
	}
	want := map[[16]byte]kept{named: {1, 1}, id16(5): {2, 2}}
	check := func() {
		t.Helper()
		got := s.kept(t)
		if len(got) != len(want) {
			t.Fatalf("%d traces, want %d: %v", len(got), len(want), got)
		}
		for id, k := range want {
			if got[id] != k {
				t.Errorf("%x: %+v, want %+v", id, got[id], k)
			}
		}
	}
	check()
	// Late: one follows the trace with the error, one is of a trace that is gone,
	// and one is itself an error of a trace that is gone.
	send(5, ptrace.StatusCodeOk)
	send(1, ptrace.StatusCodeOk)
	send(2, ptrace.StatusCodeError)
	if err := s.apply(); err != nil {
		t.Fatal(err)
	}
	want[id16(5)], want[id16(2)] = kept{3, 3}, kept{1, 1}
	check()
}

// TestServiceSharesBelowTheDefault: of a noisy service nothing stays, unless
// another service took part.
func TestServiceSharesBelowTheDefault(t *testing.T) {
	s := &simulation{rng: rand.New(rand.NewPCG(7, 7)), clock: now}
	s.open(t, SamplingPolicy{Grace: time.Hour, Default: 1, Services: []ServiceShare{{"health*", 0}}})
	for n, services := range [][]string{{"healthcheck"}, {"healthcheck", "web"}, {"web"}} {
		for _, name := range services {
			td := ptrace.NewTraces()
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", name)
			sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			sp.SetTraceID(id16(n))
			s.nextID++
			sp.SetSpanID(id8(int(s.nextID)))
			sp.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-5 * time.Hour)))
			s.send(t, td)
		}
	}
	if err := s.apply(); err != nil {
		t.Fatal(err)
	}
	got := s.kept(t)
	if len(got) != 2 || got[id16(1)].spans != 2 || got[id16(2)].spans != 1 {
		t.Errorf("%v", got)
	}
}

func TestBadSamplingPolicies(t *testing.T) {
	for _, change := range []func(*SamplingPolicy){
		func(p *SamplingPolicy) { p.Default = 1.5 },
		func(p *SamplingPolicy) { p.Errors = -0.1 },
		func(p *SamplingPolicy) { p.Services[0].Share = math.NaN() },
		func(p *SamplingPolicy) { p.Slow[0].Over = 0 },
		func(p *SamplingPolicy) { p.Slow[1].Share = 2 },
		func(p *SamplingPolicy) { p.Grace = 0 },
	} {
		p := requirement()
		change(&p)
		if _, err := NewSampler(p); err == nil {
			t.Errorf("accepted: %+v", p)
		}
	}
}

// TestTracesAcrossPartitionsAreDecidedAlike has traces around midnight, whose
// halves are in segments that are never rewritten together.
func TestTracesAcrossPartitionsAreDecidedAlike(t *testing.T) {
	s := &simulation{rng: rand.New(rand.NewPCG(7, 7)), clock: now}
	s.open(t, requirement())
	midnight := now.Truncate(24 * time.Hour)
	before, after := ptrace.NewTraces(), ptrace.NewTraces()
	const traces = 600
	for n := range traces {
		// The telling span is before midnight, after it, or there is none.
		for side, td := range []ptrace.Traces{before, after} {
			rs := td.ResourceSpans().AppendEmpty()
			service := "web"
			if n%6 == 4+side {
				service = "payment-api"
			}
			rs.Resource().Attributes().PutStr("service.name", service)
			sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			sp.SetTraceID(id16(n))
			s.nextID++
			sp.SetSpanID(id8(int(s.nextID)))
			sp.SetStartTimestamp(pcommon.NewTimestampFromTime(midnight.Add(time.Duration(2*side-1) * time.Second)))
			sp.SetEndTimestamp(sp.StartTimestamp() + 1000)
			if n%6 == side {
				sp.Status().SetCode(ptrace.StatusCodeError)
			}
		}
	}
	s.send(t, before)
	s.send(t, after)
	if err := s.apply(); err != nil {
		t.Fatal(err)
	}
	have := s.kept(t)
	for n := range traces {
		k, there := have[id16(n)]
		want := map[bool]float64{true: 20, false: 40}[n%6 >= 4]
		if n%6 < 2 {
			want = 2
		}
		if n%6 < 2 && !there || there && (k.spans != 2 || math.Abs(k.weight-want) > 1e-9) {
			t.Errorf("trace %d: %+v, want 2 spans with a weight of %g together", n, k, want)
		}
	}
	if len(have) < traces/3+10 || len(have) > traces/2 {
		t.Errorf("%d of %d traces are left", len(have), traces)
	}
}
