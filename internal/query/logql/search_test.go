package logql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/store"
	"hinomi/internal/store/storetest"
)

func lineText(ls labels.Labels, e Entry) string {
	return fmt.Sprintf("%d %s %s %s %s", e.Ts, ls, e.Metadata, e.Parsed, e.Line)
}

// rangeLines are the lines of an answer that is given at once, in its order.
func rangeLines(res Result, forward bool) []string {
	type line struct {
		ts   int64
		text string
	}
	var list []line
	for _, s := range res.Streams {
		for _, e := range s.Entries {
			list = append(list, line{e.Ts, lineText(s.Labels, e)})
		}
	}
	slices.SortStableFunc(list, func(a, b line) int {
		if forward {
			a, b = b, a
		}
		return int(b.ts - a.ts)
	})
	var out []string
	for _, l := range list {
		out = append(out, l.text)
	}
	return out
}

func newSearch(t *testing.T, e *Engine, r Request) *Search {
	t.Helper()
	s, err := e.Search(context.Background(), model.ScopeAll(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSearchIsTheAnswerInPieces compares random queries with the engine's answer at
// once, for pieces of every size.
func TestSearchIsTheAnswerInPieces(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(4, 9))
			answered, pieces := 0, 0
			for range 3 {
				rows := naiveData(rnd, 160)
				rnd.Shuffle(len(rows), func(i, j int) {
					if max(i-j, j-i) < 30 { // Units overlap in time.
						rows[i], rows[j] = rows[j], rows[i]
					}
				})
				st := open(t)
				for part := range slices.Chunk(rows, 20) {
					naivePush(t, st, part)
				}
				eng, err := New(Options{Store: st, MaxEntries: 120})
				if err != nil {
					t.Fatal(err)
				}
				for range 150 {
					from := scriptZero.UnixNano() + rnd.Int64N(60e9)
					r := Request{
						Query: naiveSelector(rnd) + naiveStages(rnd), Start: time.Unix(0, from), End: time.Unix(0, from+rnd.Int64N(150e9)+1),
						Limit: pick(rnd, 0, 1, 3, 25, 100), Forward: rnd.IntN(2) == 0, Interval: time.Duration(pick(rnd, 0, 0, 0, 2e9)),
					}
					res, err := eng.Range(context.Background(), model.ScopeAll(), r)
					if err != nil {
						t.Fatalf("%s: %v", r.Query, err)
					}
					s := newSearch(t, eng, r)
					s.size = pick(rnd, 0.25, 1, 2, 4)
					var got []string
					at := s.Progress()
					out, err := s.Run(context.Background(), func(lines []Line) error {
						for _, l := range lines {
							got = append(got, lineText(l.Labels, l.Entry))
						}
						pieces++
						s.size = pick(rnd, 0.25, 1, 3)
						now := s.Progress()
						if now.Share < at.Share || now.From > at.From || now.To < at.To || now.Lines != len(got) || now.Share > 1 {
							t.Errorf("%s: progress from %+v to %+v with %d lines", r.Query, at, now, len(got))
						}
						for _, l := range lines {
							if out := l.Ts < now.From || l.Ts >= now.To; out && now.Lines < s.limit && r.Interval == 0 {
								t.Errorf("%s: a line at %d, but only [%d, %d) was searched", r.Query, l.Ts, now.From, now.To)
							}
						}
						at = now
						return nil
					})
					if err != nil || out.Partial() || len(out.Warnings) > 0 {
						t.Fatalf("%s: %+v %v", r.Query, out, err)
					}
					if out.Ended == Complete && (at.From != r.Start.UnixNano() || at.To != r.End.UnixNano() || at.Share != 1) {
						t.Errorf("%s: complete, but %+v", r.Query, at)
					}
					if want := rangeLines(res, r.Forward); !slices.Equal(got, want) {
						t.Fatalf("%s %+v\n got %d\n%s\nwant %d\n%s", r.Query, r, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
					}
					if len(got) > 0 {
						answered++
					}
				}
			}
			if answered < 150 || pieces < 900 {
				t.Errorf("%d queries had an answer, in %d pieces", answered, pieces)
			}
		})
	}
}

// searchStore is a store of units of three rows, a second apart.
func searchStore(t *testing.T, n int) *storetest.Memory {
	t.Helper()
	m := storetest.New()
	m.UnitRows = 3
	var rows []naiveRow
	for i := range n {
		rows = append(rows, naiveRow{ts: scriptZero.UnixNano() + int64(i)*1e9, line: fmt.Sprintf("line %d", i), stream: map[string]string{"app": "a"}})
	}
	naivePush(t, m, rows)
	return m
}

func searchAll(n int) Request {
	return Request{Query: `{app="a"} |~ "line|x"`, Start: scriptZero, End: scriptZero.Add(time.Duration(n) * time.Second), Limit: n}
}

func TestSearchGivesTheNewestFirstWithoutReadingTheRest(t *testing.T) {
	eng, err := New(Options{Store: searchStore(t, 300)})
	if err != nil {
		t.Fatal(err)
	}
	s := newSearch(t, eng, searchAll(300))
	s.size = 2
	stop := errors.New("seen enough")
	_, err = s.Run(context.Background(), func(lines []Line) error {
		if len(lines) != 6 || lines[0].Line != "line 299" || lines[5].Line != "line 294" {
			t.Errorf("the first piece: %+v", lines)
		}
		p := s.Progress()
		if p.RowsScanned > 12 || p.Units != 100 || p.From != scriptZero.Add(294*time.Second).UnixNano() || p.Share < 0.019 || p.Share > 0.021 {
			t.Errorf("progress: %+v", p)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestSearchEndsWithItsBudget(t *testing.T) {
	for want, budget := range map[Ending]store.Budget{
		RowsUp: {Rows: 40}, BytesUp: {Bytes: 2500}, TimeUp: {Time: time.Nanosecond},
	} {
		eng, err := New(Options{Store: searchStore(t, 300), Budget: budget})
		if err != nil {
			t.Fatal(err)
		}
		s := newSearch(t, eng, searchAll(300))
		got := 0
		out, err := s.Run(context.Background(), func(lines []Line) error { got += len(lines); s.size = 1; return nil })
		if err != nil || out.Ended != want || !out.Partial() {
			t.Errorf("%s: %+v %v", want, out, err)
		}
		p := s.Progress()
		complete := int((s.q.to - p.From) / 1e9)
		if got < complete || got > complete+3 || got >= 300 || p.Share >= 0.5 || want != TimeUp && complete == 0 {
			t.Errorf("%s: %d lines, complete for %d s, %+v", want, got, complete, p)
		}
	}
}

func TestSearchEndsWithItsClient(t *testing.T) {
	eng, err := New(Options{Store: searchStore(t, 300)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newSearch(t, eng, searchAll(300))
	pieces := 0
	_, err = s.Run(ctx, func([]Line) error { pieces++; s.size = 1; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || pieces != 1 {
		t.Errorf("%v after %d pieces", err, pieces)
	}
}

func TestSearchRefusesWhatIsNoLogQuery(t *testing.T) {
	eng, err := New(Options{Store: searchStore(t, 3)})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`{app="a"`, `count_over_time({app="a"}[1m])`} {
		if _, err := eng.Search(context.Background(), model.ScopeAll(), Request{Query: q, Start: scriptZero, End: scriptZero.Add(time.Hour)}); err == nil {
			t.Errorf("%s is no log query", q)
		}
	}
}

// TestSearchBesideWrites moves what was not read yet into other units, and adds rows
// while a search runs: each old row comes once.
func TestSearchBesideWrites(t *testing.T) {
	st := openEngine(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	rows := naiveData(rnd, 160)
	for part := range slices.Chunk(rows, 20) {
		naivePush(t, st, part)
	}
	eng, err := New(Options{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	s := newSearch(t, eng, Request{Query: `{app=~".+"}`, Start: scriptZero, End: scriptZero.Add(time.Hour)})
	s.size = 1
	seen := map[int64]int{}
	last := int64(0)
	_, err = s.Run(context.Background(), func(lines []Line) error {
		for _, l := range lines {
			seen[l.Ts]++
			if last != 0 && l.Ts >= last {
				t.Errorf("%d after %d", l.Ts, last)
			}
			last = l.Ts
		}
		s.size = 1
		naivePush(t, st, []naiveRow{{ts: rows[0].ts + rnd.Int64N(160e9), line: "late", stream: map[string]string{"app": "a"}}})
		return st.Flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if seen[r.ts] != 1 {
			t.Errorf("the row at %d came %d times", r.ts, seen[r.ts])
		}
	}
}

func TestPiecesDivideFewUnits(t *testing.T) {
	// Two segments of 20 units that all last as long as their segment, and one between.
	var units []interval
	for range 20 {
		units = append(units, interval{0, 1000}, interval{2000, 3000})
	}
	units = append(units, interval{1200, 1300})
	l := newTimeline(interval{0, 3000}, units)
	if got := l.total(); got < 40.999 || got > 41.001 {
		t.Errorf("total %v", got)
	}
	for _, c := range []struct {
		top  int64
		size float64
		want int64
	}{
		{3000, 10, 2000}, // twice as much, but nothing is read twice
		{3000, 5, 2750},  // all of it would be four times as much
		{2000, 1, 1200},
		{1300, 1, 1200},
		{1200, 4, 800},
		{1000, 15, 0}, // a small rest is done along
		{3000, 100, 0},
	} {
		if got := l.cut(c.top, 0, c.size); max(got-c.want, c.want-got) > 1 {
			t.Errorf("from %d on %v units: %d, want %d", c.top, c.size, got, c.want)
		}
	}
}

func TestPiecesEnd(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		var units []interval
		for range rnd.IntN(30) {
			lo := rnd.Int64N(1000)
			units = append(units, interval{lo, lo + 1 + pick(rnd, 0, rnd.Int64N(10), rnd.Int64N(1000))})
		}
		in := interval{rnd.Int64N(500), 500 + rnd.Int64N(700)}
		l := newTimeline(in, units)
		size := pick(rnd, 0.1, 1, 7)
		for top := in.hi; top > in.lo; {
			next := l.cut(top, in.lo, size)
			if next >= top || next < in.lo {
				t.Fatalf("%v of %v: from %d to %d", units, in, top, next)
			}
			if a, b := l.above(top), l.above(next); b < a || next > in.lo && b > a+2*size+1e-6 && l.within(interval{next, top}) > 1 && top-next > 1 {
				t.Fatalf("%v of %v: %d has %v above it, %d %v", units, in, top, a, next, b)
			}
			top = next
		}
	}
}

// TestSearchOfDistinct keeps the first of each value wherever it is.
func TestSearchOfDistinct(t *testing.T) {
	m := storetest.New()
	m.UnitRows = 3
	var rows []naiveRow
	for i := range 200 {
		rows = append(rows, naiveRow{ts: scriptZero.UnixNano() + int64(i)*1e9, line: fmt.Sprintf("k=%d n=%d", i*i%17, i), stream: map[string]string{"app": "a"}})
	}
	naivePush(t, m, rows)
	eng, err := New(Options{Store: m})
	if err != nil {
		t.Fatal(err)
	}
	for _, forward := range []bool{false, true} {
		for _, limit := range []int{0, 3} {
			r := Request{Query: `{app="a"} | logfmt | distinct k`, Start: scriptZero, End: scriptZero.Add(200 * time.Second), Limit: limit, Forward: forward}
			res, err := eng.Range(context.Background(), model.ScopeAll(), r)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if _, err := newSearch(t, eng, r).Run(context.Background(), func(lines []Line) error {
				for _, l := range lines {
					got = append(got, lineText(l.Labels, l.Entry))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			want := rangeLines(res, forward)
			if !slices.Equal(got, want) || limit == 0 && len(want) != 9 {
				t.Errorf("forward %v, limit %d: %d lines %q, want %d %q", forward, limit, len(got), got, len(want), want)
			}
		}
	}
}
