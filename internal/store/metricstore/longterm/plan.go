package longterm

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"hinomi/internal/store/metricstore/downsample"
)

// lookback is how old a sample may be that an instant vector selector takes.
const lookback = 5 * 60 * 1000

// kind is what the samples of a selector must mean so that the engine, which
// applies its function to them, gets the answer that it would get from raw ones.
type kind int

const (
	instant  kind = iota // a value at every time: gauges by their average, counters by their last value
	average              // the average of each window, for functions that have no aggregate
	last                 // the last value of each window
	first                // the first value of each window
	sum                  // the sum of each window
	count                // the number of samples of each window; a raw sample counts 1
	minimum              // the least value of each window
	maximum              // the greatest value of each window
	counter              // a counter that is never reset and grows as much
	presence             // anything: only labels are wanted
)

// needs are the aggregates that a kind is made of. Increase, Min and Max may
// have to be derived from others.
func (k kind) needs() []string {
	switch k {
	case instant:
		return []string{downsample.Count, downsample.Sum, downsample.Last}
	case average:
		return []string{downsample.Count, downsample.Sum}
	case last:
		return []string{downsample.Last}
	case first:
		return []string{downsample.First}
	case sum:
		return []string{downsample.Sum}
	case minimum:
		return []string{downsample.First, downsample.Min}
	case maximum:
		return []string{downsample.Last, downsample.Max}
	case counter:
		return []string{downsample.First, downsample.Last, downsample.Increase}
	default:
		return []string{downsample.Count}
	}
}

// plan says how one selector is answered from downsampled data.
type plan struct {
	kind kind
	// exact: aligned windows give the answer of raw samples.
	exact bool
	// unfit: no aggregate can answer the function, averages are what there is.
	unfit bool
	name  string // of the function, for messages

	rangeMillis, stepMillis int64
	start, end              int64 // of the selection, inclusive
}

// functions with an aggregate. All others of a range are unfit.
func kindOf(function string) (k kind, exact, known bool) {
	switch function {
	case "rate", "increase":
		return counter, false, true
	case "sum_over_time":
		return sum, true, true
	case "count_over_time":
		return count, true, true
	case "min_over_time":
		return minimum, true, true
	case "max_over_time":
		return maximum, true, true
	case "avg_over_time":
		return average, false, true
	case "last_over_time", "present_over_time", "absent_over_time":
		return last, true, true
	case "first_over_time":
		return first, true, true
	case "delta":
		return last, false, true
	case "irate":
		return counter, false, false
	case "changes", "resets", "idelta":
		return last, false, false
	default:
		return average, false, false
	}
}

// Aggregate matchers select one aggregate by name, x{__aggregate__="max"}; see
// package promql, which writes avg_over_time with them.
var explicit = map[string]kind{
	downsample.Count: count, downsample.Sum: sum, downsample.Min: minimum, downsample.Max: maximum,
	downsample.First: first, downsample.Last: last, downsample.Increase: counter,
}

// newPlan reads the hints. The matchers come back without one on the reserved
// label; forced tells that there was one.
func newPlan(mint, maxt int64, hints *storage.SelectHints, ms []*labels.Matcher) (p plan, rest []*labels.Matcher, forced bool) {
	p = plan{start: mint, end: maxt}
	if hints != nil {
		p.start, p.end = max(mint, hints.Start), min(maxt, hints.End)
		p.name, p.rangeMillis, p.stepMillis = hints.Func, hints.Range, hints.Step
	}
	switch {
	case p.name == "series":
		p.kind = presence
	case p.rangeMillis > 0:
		known := false
		p.kind, p.exact, known = kindOf(p.name)
		p.unfit = !known
	}
	for _, m := range ms {
		if k, ok := explicit[m.Value]; ok && m.Name == downsample.Label && m.Type == labels.MatchEqual {
			p.kind, p.exact, p.unfit, forced = k, k != counter, false, true
			continue
		}
		rest = append(rest, m)
	}
	return p, rest, forced
}

// prefer is the resolution to answer from where both exist: the coarse one when
// it gives the same answer, or when its windows are short beside what is asked.
func (p *plan) prefer() int64 {
	const hour = downsample.OneHour
	switch {
	case p.kind == presence:
		return hour
	case p.rangeMillis == 0:
		if p.stepMillis >= hour {
			return hour
		}
	case p.exact && p.aligned(hour), p.rangeMillis >= 24*hour:
		return hour
	}
	return downsample.FiveMinutes
}

// aligned tells whether every range of the selector begins and ends with a window.
func (p *plan) aligned(resolution int64) bool {
	return p.rangeMillis%resolution == 0 && p.end%resolution == 0 && p.stepMillis%resolution == 0
}

// annotate says what the answer is made of when it is not what raw samples
// would give. until is the end of the downsampled part.
func (p *plan) annotate(resolution, until int64) annotations.Annotations {
	before := time.UnixMilli(until).UTC().Format("2006-01-02 15:04")
	res := nameOf(resolution)
	subject := fmt.Sprintf("before %s UTC there are only %s aggregates", before, res)
	var level error
	var text string
	switch {
	case p.kind == presence:
		return nil
	case p.unfit && p.rangeMillis > 0:
		level, text = annotations.PromQLWarning, fmt.Sprintf("%s, of which %s() cannot be told: it is computed from one value per window", subject, p.name)
	case p.rangeMillis > 0 && p.rangeMillis < resolution, p.kind == counter && p.rangeMillis < 2*resolution:
		level, text = annotations.PromQLWarning, fmt.Sprintf("%s: values over %s are spread evenly over each window", subject, time.Duration(p.rangeMillis)*time.Millisecond)
	case p.rangeMillis > 0 && p.kind == average:
		level, text = annotations.PromQLWarning, subject+": windows count alike in this average; name the metric in the selector, and they count by their samples"
	case p.rangeMillis > 0 && p.exact && p.aligned(resolution):
		return nil
	case p.rangeMillis > 0:
		level, text = annotations.PromQLInfo, subject+": a range begins and ends with a window"
	case p.stepMillis > 0 && p.stepMillis < resolution:
		level, text = annotations.PromQLWarning, subject+", coarser than the step: gauges are averages, counters are last values"
	default:
		level, text = annotations.PromQLInfo, subject+": gauges are averages, counters are last values"
	}
	var out annotations.Annotations
	return out.Add(fmt.Errorf("%w: %s", level, text))
}

// counterName tells whether a metric is a counter by its name.
func counterName(name string) bool {
	for _, suffix := range []string{"_total", "_count", "_sum", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
