package logql

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"hinomi/internal/model"
	"hinomi/internal/query/plan"
	"hinomi/internal/store"
)

// A search reads its range piece by piece, so that the lines of each are final when
// it is done, and no snapshot of the store is held while they are handed over. Each
// piece costs what units on its border cost twice, so pieces grow until one takes a
// while.
const (
	firstPiece = 4 // units
	quickPiece = 100 * time.Millisecond
	shortPiece = 400 * time.Millisecond
	longPiece  = 2 * time.Second
)

// Line is a line of a search with the labels of its stream.
type Line struct {
	Labels labels.Labels
	Entry
}

// Progress says how far a search is.
type Progress struct {
	Share float64 // of the work, 0 to 1
	// [From, To) ns is the part of the range of which the answer is complete.
	From, To     int64
	Lines        int // of the answer, until now
	RowsScanned  int64
	BytesScanned int64
	// Units of the store in the range, and those ruled out without reading them.
	Units, UnitsPruned int
	Duration           time.Duration
}

// Outcome is how a search ended.
type Outcome struct {
	Ended    Ending
	Warnings []string
	Stats    store.ScanStats
}

// Partial tells whether a budget ended the search.
func (o Outcome) Partial() bool { return o.Ended != Complete && o.Ended != FullAnswer }

// Search is a log query that is answered piece by piece, in the order of the answer.
// Progress may be called by any goroutine, everything else by one.
type Search struct {
	q        logQuery
	limit    int
	interval int64
	line     *timeline     // Times are negated when the oldest come first.
	size     float64       // of the next piece, in units
	shrunk   time.Duration // what the piece took that made the next smaller; -1: do not try again
	meter    *meter

	mu       sync.Mutex
	progress Progress
	// Of the piece under way: its work, its units, and how many the meter had counted.
	pieceWork  float64
	pieceUnits int
	pieceFrom  int64
}

// Search prepares a log query that is answered piece by piece. The budget is that of
// the whole search. Errors of the query come from here.
func (e *Engine) Search(ctx context.Context, scope model.Scope, r Request) (*Search, error) {
	l, err := ParseLog(r.Query)
	if err != nil {
		return nil, err
	}
	m := &meter{Scanner: e.o.Store, budget: e.o.Budget, began: time.Now()}
	o := e.o
	o.Store, o.Budget = m, store.Budget{}
	s := &Search{meter: m, size: firstPiece, limit: r.Limit, interval: int64(r.Interval)}
	if s.limit <= 0 || s.limit > e.o.MaxEntries {
		s.limit = e.o.MaxEntries
	}
	s.q = logQuery{e: &Engine{o: o}, scope: scope, expr: l, newest: !r.Forward, from: r.Start.UnixNano(), to: r.End.UnixNano()}
	if s.q.schema, err = s.q.e.schema(ctx, scope, s.q.from, s.q.to); err != nil {
		return nil, err
	}
	if err := s.survey(ctx); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(l.Stages, isDistinct) {
		s.size = math.Inf(1) // What is first may be anywhere: one piece.
	}
	return s, nil
}

// turn changes between the range and the timeline, whose top is where the answer
// begins.
func (s *Search) turn(r interval) interval {
	if s.q.newest {
		return r
	}
	return interval{1 - r.hi, 1 - r.lo}
}

// survey asks the store for the bounds of its units, without reading any.
func (s *Search) survey(ctx context.Context) error {
	var units []interval
	order := store.NewestFirst
	if !s.q.newest {
		order = store.OldestFirst
	}
	if s.q.from < s.q.to {
		_, err := s.meter.Scanner.Scan(ctx, s.q.scope, store.ScanRequest{
			From: s.q.from, To: s.q.to, Columns: []store.ColumnRef{store.Col(store.ColTime)}, Order: order,
			Skip: func(minTs, maxTs int64) bool {
				units = append(units, s.turn(interval{minTs, maxTs + 1}))
				return true
			},
		}, func(*store.Batch) error { return nil })
		if err != nil {
			return err
		}
	}
	s.line = newTimeline(s.turn(interval{s.q.from, s.q.to}), units)
	first := s.q.to
	if !s.q.newest {
		first = s.q.from
	}
	s.progress = Progress{From: first, To: first, Units: len(s.line.units)}
	return nil
}

// Run answers the search. emit gets the lines of each piece, or none when the piece
// has none; its error ends the search. No more lines than the limit are kept. After a
// budget has ended the search, lines beyond what Progress says was searched are right
// but not all.
func (s *Search) Run(ctx context.Context, emit func([]Line) error) (Outcome, error) {
	var out Outcome
	res := Result{}
	read, most := 0, s.limit
	if s.interval > 0 {
		most = s.q.e.o.MaxEntries
	}
	thin := thinner{interval: s.interval, left: s.limit}
	all := s.turn(interval{s.q.from, s.q.to})
	top := all.hi
	for top > all.lo && out.Ended == Complete {
		piece := interval{s.line.cut(top, all.lo, s.size), top}
		s.begin(piece)
		began := time.Now()
		q := s.q
		part := s.turn(piece)
		q.from, q.to, q.n, q.res = part.lo, part.hi, most-read, &res
		rows, err := q.run(ctx)
		if err != nil {
			return out, err
		}
		s.resize(time.Since(began))
		read += len(rows)
		lines := thin.lines(rows)
		switch {
		case res.Partial:
			out.Ended = s.meter.ended
		case read >= most || thin.left == 0:
			// Lines of the last one's time may have been left out.
			last := rows[len(rows)-1].Ts
			top, out.Ended = s.turn(interval{last, last + 1}).hi, FullAnswer
		default:
			top = piece.lo
		}
		s.end(top, len(lines), res.Stats)
		if err := emit(lines); err != nil {
			return out, err
		}
	}
	slices.Sort(res.Warnings)
	for _, w := range slices.Compact(res.Warnings) {
		if w != usedUp {
			out.Warnings = append(out.Warnings, w)
		}
	}
	out.Stats = res.Stats
	return out, nil
}

// resize chooses the size of the next piece by the time that the last one took.
// Where smaller pieces are hardly faster, most of their cost is that of any piece, and
// they stay as they were.
func (s *Search) resize(took time.Duration) {
	switch {
	case took < quickPiece:
		s.size *= 4
	case took < shortPiece:
		s.size *= 2
	case took < longPiece:
		s.shrunk = 0
	case s.shrunk < 0:
	case s.shrunk > 0 && took > s.shrunk*3/4:
		s.size, s.shrunk = s.size*2, -1
	default:
		s.size, s.shrunk = s.size/2, took
	}
}

// begin notes the piece that is read next.
func (s *Search) begin(piece interval) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieceWork = s.line.above(piece.lo) - s.line.above(piece.hi)
	s.pieceUnits, s.pieceFrom = s.line.within(piece), s.meter.units.Load()
}

// end notes that everything above top was searched.
func (s *Search) end(top int64, lines int, stats store.ScanStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.progress
	whole := s.turn(interval{top, s.turn(interval{s.q.from, s.q.to}).hi})
	p.From, p.To = whole.lo, whole.hi
	p.Lines += lines
	p.RowsScanned, p.BytesScanned = stats.RowsScanned, stats.BytesScanned
	done := s.line.above(top)
	p.Share = 1
	if total := s.line.total(); total > 0 {
		p.Share = min(1, done/total)
	}
	p.UnitsPruned = max(0, int(done)-stats.UnitsScanned)
	s.pieceWork = 0
}

// Progress says how far the search is, within a piece too.
func (s *Search) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.progress
	p.Duration = time.Since(s.meter.began)
	if s.pieceWork > 0 && s.pieceUnits > 0 {
		part := min(1, float64(s.meter.units.Load()-s.pieceFrom)/float64(s.pieceUnits))
		p.Share = min(1, p.Share+part*s.pieceWork/s.line.total())
	}
	return p
}

// thinner makes lines of rows, leaving out those closer than interval to the last
// kept, up to a number of them.
type thinner struct {
	interval, last int64
	begun          bool
	left           int
}

func (t *thinner) lines(rows []plan.Entry[logRow]) []Line {
	var out []Line
	for _, r := range rows {
		if t.left == 0 {
			break
		}
		if t.begun && max(r.Ts-t.last, t.last-r.Ts) < t.interval {
			continue
		}
		t.last, t.begun = r.Ts, true
		t.left--
		out = append(out, Line{Labels: r.Row.labels, Entry: r.Row.entry})
	}
	return out
}
