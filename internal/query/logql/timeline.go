package logql

import (
	"cmp"
	"slices"
	"sort"
)

// interval is a range of time, [lo, hi) ns.
type interval struct{ lo, hi int64 }

// timeline tells where along a range of time the work of a scan lies: its units,
// each spread evenly over its own time. A search walks it downwards, from its top.
type timeline struct {
	units []interval
	// The edges of units, from the top down; cum[i] is the work above at[i], in units,
	// cross[i] how many units a cut there divides, and below[i] how many one just
	// below it does.
	at           []int64
	cum          []float64
	cross, below []int
}

// newTimeline takes the units, clipped to the range.
func newTimeline(in interval, units []interval) *timeline {
	l := &timeline{}
	type edge struct {
		at     int64
		begins bool // the walk downwards enters the unit here
		width  float64
	}
	var edges []edge
	for _, u := range units {
		u = interval{max(u.lo, in.lo), min(u.hi, in.hi)}
		if u.lo >= u.hi {
			continue
		}
		l.units = append(l.units, u)
		w := float64(u.hi - u.lo)
		edges = append(edges, edge{u.hi, true, w}, edge{u.lo, false, w})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(b.at, a.at) })
	density, active, work := 0.0, 0, 0.0
	for i := 0; i < len(edges); {
		at := edges[i].at
		if n := len(l.at); n > 0 {
			work += max(0, density) * float64(l.at[n-1]-at)
		}
		entered := 0
		for ; i < len(edges) && edges[i].at == at; i++ {
			if edges[i].begins {
				entered++
				density += 1 / edges[i].width
			} else {
				active--
				density -= 1 / edges[i].width
			}
		}
		if active == 0 && entered == 0 {
			density = 0 // What rounding left.
		}
		l.at, l.cum, l.cross = append(l.at, at), append(l.cum, work), append(l.cross, active)
		active += entered
		l.below = append(l.below, active)
	}
	return l
}

// total is all work: the number of units, but for rounding.
func (l *timeline) total() float64 {
	if len(l.cum) == 0 {
		return 0
	}
	return l.cum[len(l.cum)-1]
}

// above is the work above a time.
func (l *timeline) above(t int64) float64 {
	i := sort.Search(len(l.at), func(i int) bool { return l.at[i] <= t })
	switch {
	case i == len(l.at):
		return l.total()
	case i == 0:
		return 0
	}
	return l.cum[i-1] + (l.cum[i]-l.cum[i-1])*float64(l.at[i-1]-t)/float64(l.at[i-1]-l.at[i])
}

// cut returns where a piece of work ends that begins at top: below as much of it as
// is asked for, or up to twice as much where that divides fewer units, because what
// is divided is read once for each side. bottom is the end of everything.
func (l *timeline) cut(top, bottom int64, size float64) int64 {
	want := l.above(top) + size
	if want+size/2 >= l.total() {
		return bottom // A small rest is done along.
	}
	i := sort.Search(len(l.cum), func(i int) bool { return l.cum[i] >= want })
	// Halfway into the stretch that the amount ends in.
	part := (want - l.cum[i-1]) / (l.cum[i] - l.cum[i-1])
	at, divided := min(top-1, l.at[i-1]-int64(part*float64(l.at[i-1]-l.at[i]))), l.below[i-1]
	if at <= l.at[i] {
		at, divided = l.at[i], l.cross[i]
	}
	const rounding = 1e-6
	for j := i; j < len(l.at) && l.cum[j] <= want+size+rounding; j++ {
		if l.cross[j] < divided {
			at, divided = l.at[j], l.cross[j]
		}
	}
	return max(bottom, at)
}

// within is how many units a piece of the range has a part in.
func (l *timeline) within(p interval) int {
	n := 0
	for _, u := range l.units {
		if u.lo < p.hi && u.hi > p.lo {
			n++
		}
	}
	return n
}
