package longterm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"hinomi/internal/store/metricstore/downsample"
)

// tenDays is one series of ones by the minute, another one by 10 minutes.
func tenDays() []storage.Series {
	return []storage.Series{
		floats(name("m", "job", "a"), begin+minute, begin+10*day, minute, func(int64) float64 { return 1 }),
		floats(name("n", "job", "b"), begin+10*minute, begin+10*day, 10*minute, func(int64) float64 { return 2 }),
	}
}

// sumOfAll asks for the sum of every day of m and n.
func sumOfAll(t *testing.T, s *Store) map[string]float64 {
	t.Helper()
	got, _ := answers(t, newEngine(t), queryable(s), `sum_over_time({job=~"a|b"}[1d])`, begin+day, begin+10*day, day)
	return got
}

func wantAll(t *testing.T, what string, got map[string]float64) {
	t.Helper()
	if len(got) != 20 {
		t.Errorf("%s: %d answers, want 20", what, len(got))
	}
	for k, v := range got {
		if want := map[byte]float64{'a': 1440, 'b': 288}[k[6]]; v != want {
			t.Errorf("%s: %s is %v, want %v", what, k, v, want)
		}
	}
}

// copyTree copies a directory, as a kill at this moment would leave it.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAnywhere ends the job at every place where it looks at its context,
// opens what is on disk then, and lets it finish.
func TestKilledAnywhere(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 10*day
	for stop := 1; ; stop += 13 {
		dir := t.TempDir()
		s := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = dir })
		killed := t.TempDir()
		ctx := &countdown{Context: context.Background(), left: stop, atEnd: func() { copyTree(t, dir, filepath.Join(killed, "x")) }}
		err := s.Step(ctx)
		if err == nil {
			ctx.atEnd()
		}
		again := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = filepath.Join(killed, "x") })
		wantAll(t, "before the job goes on", sumOfAll(t, again))
		step(t, again)
		raw.hidden = begin + 10*day
		wantAll(t, "downsampled", sumOfAll(t, again))
		raw.hidden = 0
		if leftovers, _ := filepath.Glob(filepath.Join(killed, "x", "*", "*.tmp*")); len(leftovers) > 0 {
			t.Errorf("left over: %v", leftovers)
		}
		if err == nil {
			if stop < 20 {
				t.Fatalf("the job ended after %d looks at its context: the test does not test", stop)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// countdown is a context that ends when it was looked at often enough. atEnd is
// called at that moment, before anyone can clean up.
type countdown struct {
	context.Context
	left  int
	atEnd func()
}

func (c *countdown) Err() error {
	if c.left--; c.left > 0 {
		return nil
	}
	if c.left == 0 {
		c.atEnd()
	}
	return context.Canceled
}

// TestCrashBetweenWriteAndRemove has what a merge leaves when it is killed just
// after its block appeared: both the whole and its parts.
func TestCrashBetweenWriteAndRemove(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 6*day
	dir := t.TempDir()
	s := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = dir })
	step(t, s)
	both := filepath.Join(t.TempDir(), "x")
	copyTree(t, dir, both) // daily blocks
	raw.settled = begin + 10*day
	step(t, s)
	days := len(s.of(downsample.FiveMinutes))
	if days > 5 {
		t.Fatalf("%d blocks: nothing was merged", days)
	}
	for _, b := range s.of(downsample.FiveMinutes) {
		to := filepath.Join(both, "5m", filepath.Base(b.reader.Dir()))
		if _, err := os.Stat(to); err != nil {
			copyTree(t, b.reader.Dir(), to)
		}
	}
	if err := os.MkdirAll(filepath.Join(both, "1h", "01ABC"+downsample.TempSuffix), 0o750); err != nil {
		t.Fatal(err)
	}
	again := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = both })
	step(t, again)
	raw.hidden = begin + 10*day
	wantAll(t, "after the crash", sumOfAll(t, again))
}

// TestDamagedBlock: the other resolution answers for it.
func TestDamagedBlock(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 10*day
	dir := t.TempDir()
	s := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = dir })
	step(t, s)
	victim := s.of(downsample.FiveMinutes)[0].reader.Dir()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(victim, "index"), 20); err != nil {
		t.Fatal(err)
	}
	again := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = dir })
	raw.hidden = begin + 10*day
	wantAll(t, "with a damaged block", sumOfAll(t, again))
}

// TestProgressIsLost: the blocks say how far the job was, nothing is made twice,
// and nothing keeps the store from opening.
func TestProgressIsLost(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 10*day
	dir := t.TempDir()
	s := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = dir })
	step(t, s)
	done, blocks := s.DoneUntil(), len(s.blocks)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, damage := range []func(string) error{
		os.Remove, func(f string) error { return os.WriteFile(f, []byte("{"), 0o600) },
		func(f string) error { return os.WriteFile(f, []byte(`{"version":9}`), 0o600) },
	} {
		if err := damage(filepath.Join(dir, progressFile)); err != nil {
			t.Fatal(err)
		}
		again := openLong(t, raw, begin+11*day, func(o *Options) { o.Dir = dir })
		if again.DoneUntil() != done {
			t.Errorf("done until %d, want %d", again.DoneUntil(), done)
		}
		step(t, again)
		if len(again.blocks) != blocks {
			t.Errorf("%d blocks, before %d", len(again.blocks), blocks)
		}
		raw.hidden = begin + 10*day
		wantAll(t, "without progress", sumOfAll(t, again))
		raw.hidden = 0
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if err := writeProgress(dir, done); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSamplesOf1970: before anything is downsampled, every time is raw.
func TestSamplesOf1970(t *testing.T) {
	raw := newRaw(t, []storage.Series{floats(name("m"), 0, 10*minute, minute, func(int64) float64 { return 1 })}, day)
	s := openLong(t, raw, 0)
	got, _ := answers(t, newEngine(t), queryable(s), "count_over_time(m[1h])", 0, 0, minute)
	if len(got) != 1 || got["{}@0"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestRetentionRules(t *testing.T) {
	raw := newRaw(t, tenDays(), day)
	raw.settled = begin + 10*day
	s := openLong(t, raw, begin+11*day, func(o *Options) {
		o.Rules = []Rule{
			{Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "job", "a")}, Keep: 8 * 24 * time.Hour},
			{Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, "m|x")}, Keep: 4 * 24 * time.Hour},
		}
	})
	step(t, s)
	raw.hidden = begin + 10*day
	got := sumOfAll(t, s)
	for d := int64(1); d <= 10; d++ {
		// m is kept 4 days, the shorter of its rules: from the end of day 7 on.
		a, b := got[`{job="a"}@`+ts(begin+d*day)], got[`{job="b"}@`+ts(begin+d*day)]
		if want := map[bool]float64{true: 1440}[d > 7]; a != want || b != 288 {
			t.Errorf("day %d: m %v, n %v, want %v and 288", d, a, b, want)
		}
	}
	// The space comes back when a whole block is past the rule.
	s.o.Now = func() time.Time { return time.UnixMilli(begin + 30*day) }
	step(t, s)
	for _, b := range s.of(downsample.OneHour) {
		if n := b.meta().Stats.NumSeries; n > 4 { // count, first, last, sum of n
			t.Errorf("block of %d days still has %d series", (b.meta().MaxTime-b.meta().MinTime)/day, n)
		}
	}
	q, err := raw.db.Querier(begin, begin+20*day)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "job", "a"))
	for set.Next() {
		if set.At().Iterator(nil).Next() != 0 {
			t.Errorf("raw samples of %s are still there", set.At().Labels())
		}
	}
}
